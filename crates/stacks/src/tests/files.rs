//! Paths that lead to something else than a file, and files that are not what they were a moment ago. The unwinder
//! must neither wait nor grow, and must look at nothing but the file that was mapped.

use super::hostile::Copied;
use crate::maps::MOST_MAPPINGS;
use crate::{Unwinder, Unwound, mappings};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// A directory for things that are no files.
struct Odd(PathBuf);

impl Odd {
    fn create() -> Self {
        let path = std::env::temp_dir().join(format!("procpool-stacks-odd-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Looks at a snapshot in which the test's own file has this path.
fn look_at(copied: &mut Copied, path: &Path) -> Unwound {
    let path = path.to_str().unwrap();
    let own = copied.path.to_str().unwrap().to_owned();
    for mapping in copied.snapshot.mappings.iter_mut().filter(|it| it.path == own) {
        mapping.path = path.into();
    }
    copied.path = path.into();
    Unwinder::new().unwind(&copied.snapshot)
}

#[test]
fn what_is_no_regular_file_is_not_opened_and_nothing_waits() {
    let odd = Odd::create();
    let (pipe, socket) = (odd.path("pipe"), odd.path("socket"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _listener = UnixListener::bind(&socket).unwrap();
    let (link, ring) = (odd.path("link"), odd.path("ring"));
    symlink(&pipe, &link).unwrap();
    symlink(&ring, &ring).unwrap();
    let no_file = "is not a regular file";
    let gone = "cannot be read by this process";
    for (path, expected) in [
        (pipe.as_path(), no_file),
        (&socket, no_file),
        (&link, no_file),
        (&odd.0, no_file),
        (Path::new("/dev/zero"), no_file),
        (Path::new("/proc/self/fd"), no_file),
        (&ring, gone),
        (&odd.path("missing"), gone),
        // It counts as a regular file, and its first bytes cannot be read.
        (Path::new("/proc/self/mem"), "is not a 64-bit ELF file"),
        (Path::new("/proc/self/maps"), "is not a 64-bit ELF file"),
    ] {
        let mut copied = Copied::create("other");
        let original = copied.path.clone();
        let unwound = look_at(&mut copied, path);
        fs::remove_file(original).unwrap();
        // Its drop removes what has this path.
        copied.path = odd.path("missing");
        let note = unwound.note.unwrap_or_default();
        assert!(note.contains(expected), "{}: {note}", path.display());
        assert!(unwound.modules.iter().all(|it| it.path != path.to_str().unwrap() || !it.usable));
    }
}

#[test]
fn a_sparse_file_of_a_tebibyte_is_read_like_any_other() {
    let copied = Copied::create("sparse");
    let small = Unwinder::new().unwind(&copied.snapshot);
    let file = File::options().write(true).open(&copied.path).unwrap();
    file.set_len(1 << 40).unwrap();
    let large = Unwinder::new().unwind(&copied.snapshot);
    assert_eq!(small.threads[0].calls, large.threads[0].calls);
    // Its index claims four billion functions.
    file.write_all_at(&[0xff; 4], copied.index() as u64 + 8).unwrap();
    let unwound = Unwinder::new().unwind(&copied.snapshot);
    let note = unwound.note.unwrap_or_default();
    assert!(note.contains("has damaged call frame information"), "{note}");
}

#[test]
fn a_file_that_changes_while_it_is_read_does_no_harm() {
    let copied = Copied::create("changing");
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = File::options().write(true).open(&copied.path).unwrap();
            let index = copied.index();
            let mut round = 0_usize;
            while !ends.load(Ordering::Relaxed) {
                round += 1;
                file.set_len((index + round % 4096) as u64).unwrap();
                file.write_all_at(&copied.original[index / 2..], (index / 2) as u64).unwrap();
                let byte = [round.to_le_bytes()[0]];
                file.write_all_at(&byte, (index + round % 4096) as u64).unwrap();
            }
        });
        let unwinder = Unwinder::new();
        for _ in 0..100 {
            assert!(!unwinder.unwind(&copied.snapshot).threads[0].calls.is_empty());
        }
        ends.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_file_whose_owner_sets_its_date_back_is_read_again() {
    let copied = Copied::create("date");
    let unwinder = Unwinder::new();
    let before = unwinder.unwind(&copied.snapshot);
    assert_eq!(before.note, None);
    let file = File::options().write(true).open(&copied.path).unwrap();
    let date = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"no file", 0).unwrap();
    file.set_modified(date).unwrap();
    let note = unwinder.unwind(&copied.snapshot).note.unwrap_or_default();
    assert!(note.contains("is not a 64-bit ELF file"), "{note}");
}

#[test]
fn a_list_of_a_million_files_and_a_line_of_a_mebibyte_have_bounds() {
    let line = b"1000-2000 r-xp 00000000 fe:01 7 /tmp/worker/file\n";
    assert_eq!(mappings(&line.repeat(1_000_000)).len(), MOST_MAPPINGS);
    let mut long = b"1000-2000 r-xp 00000000 fe:01 7 /".to_vec();
    long.resize(1 << 20, b'a');
    assert!(mappings(&long).is_empty(), "it is cut off");
    long.push(b'\n');
    let mut copied = Copied::create("long");
    let own = copied.path.to_str().unwrap().to_owned();
    let path = mappings(&long).remove(0).path;
    for mapping in copied.snapshot.mappings.iter_mut().filter(|it| it.path == own) {
        mapping.path.clone_from(&path);
    }
    let note = Unwinder::new().unwind(&copied.snapshot).note.expect("no file has such a name");
    assert!(note.len() < 1024, "{}", note.len());
}
