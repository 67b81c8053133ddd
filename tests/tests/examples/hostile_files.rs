//! Pictures for libpng: whole ones, ones that it refuses, and ones that it does not survive.

use procpool_needs::{Need, skip};
use procpool_tests::binaries::binary;
use procpool_tests::program::{Ended, run};
use procpool_tests::server::Scratch;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The bytes of signature and header, and of the length and the kind of the next chunk.
const HEADER: usize = 8 + 25 + 8;

/// A grey picture, all black, of two rows of two pixels, whose header says `width` and `height`.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    // A zlib stream of one block that is stored: two rows, each with the number of its filter in front.
    let pixels = b"\x78\x01\x01\x06\x00\xf9\xff\0\0\0\0\0\0\x00\x06\x00\x01";
    let header = chunk(b"IHDR", &[&size[..], &[8, 0, 0, 0, 0]].concat());
    [SIGNATURE, &header, &chunk(b"IDAT", pixels), &chunk(b"IEND", b"")].concat()
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    let checked = [&kind[..], data].concat();
    [&length, &checked[..], &crc32(&checked).to_be_bytes()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| shift(crc)))
}

/// The picture with another byte at a place.
fn altered(at: usize) -> Vec<u8> {
    let mut picture = picture(2, 2);
    picture[at] ^= 0x10;
    picture
}

#[tokio::test]
async fn libpng_refuses_some_hostile_files_dies_of_others_and_reads_the_next_picture() {
    const WHOLE: &str = "2 x 2 pixels";
    const ABORTED: &str = "signal 6 (SIGABRT)";
    let good = picture(2, 2);
    let files = [
        (good.clone(), WHOLE),
        (b"GIF89a, and so on".to_vec(), "refused: Not a PNG file"),
        (good[..20].to_vec(), "refused: read beyond end of data"),
        (altered(20), "refused: IHDR: CRC error"),
        (good.clone(), WHOLE),
        (good[..HEADER + 3].to_vec(), ABORTED),
        (good.clone(), WHOLE),
        (altered(HEADER + 8), ABORTED),
        (picture(1_000_000, 1_000_000), "it hit its address space limit of 1 GiB"),
        (good, WHOLE),
    ];
    let scratch = Scratch::new();
    let path = |at: usize| scratch.path().join(at.to_string()).display().to_string();
    let paths: Vec<_> = (0..files.len()).map(path).collect();
    for (path, (file, _)) in paths.iter().zip(&files) {
        std::fs::write(path, file).unwrap();
    }

    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let Ended { code, stdout, stderr } = run(binary("examples/hostile_files"), &paths).await;
    if stderr.contains("install libpng 1.6") {
        return skip(Need::Libpng, stderr);
    }
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines.len(), files.len(), "{stdout}");
    for (line, (path, (_, expected))) in lines.iter().zip(paths.iter().zip(&files)) {
        let outcome = line.strip_prefix(&format!("{path}: ")).expect("a line for each file");
        let is_crash = outcome.starts_with("the worker crashed: ") && outcome.contains("libpng error: ");
        assert!(outcome == *expected || is_crash && outcome.contains(expected), "{expected}: {outcome}");
    }
}
