//! Parameters beside large bytes: neither side copies the bytes, whatever stands beside them.

use procpool::worker::{Context, serve_if_spawned};
use procpool::{Bytes, Executable, Failure, Pool, job};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;

const MIB: usize = 1 << 20;

#[derive(Clone, Serialize, Deserialize)]
struct Crop {
    to: Range<usize>,
    image: Bytes,
    dies: bool,
}

job!(Cropped, "crop", Crop => (String, Bytes) { const IDEMPOTENT: bool = true; });

/// Gives a part of an image, and where both lie: the names of the mappings.
fn cropped(Crop { to, image, dies }: Crop, cx: &Context<Cropped>) -> Result<(String, Bytes), Failure> {
    if dies && cx.attempt() == 1 {
        std::process::abort();
    }
    let mut part = cx.buffer(to.len());
    part.copy_from_slice(&image[to]);
    Ok((format!("{} {}", mapping_of(&image)?, mapping_of(&part)?), part.into()))
}

fn mapping_of(bytes: &[u8]) -> std::io::Result<String> {
    let at = bytes.as_ptr() as usize;
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let holds = |line: &&str| {
        let (start, end) = line.split(' ').next().and_then(|range| range.split_once('-')).unwrap_or_default();
        let number = |digits| usize::from_str_radix(digits, 16).unwrap_or_default();
        (number(start)..number(end)).contains(&at)
    };
    let name = maps.lines().find(holds).and_then(|line| line.split_ascii_whitespace().nth(5));
    Ok(name.unwrap_or("anonymous").trim_start_matches("/memfd:").to_owned())
}

#[test]
fn worker() {
    serve_if_spawned::<Cropped>(cropped);
}

fn job(dies: bool) -> (Crop, Vec<u8>) {
    let image: Vec<u8> = (0..2 * MIB).map(|at| (at / 7).to_le_bytes()[0]).collect();
    let to = 100..100 + MIB;
    let part = image[to.clone()].to_vec();
    (Crop { to, image: image.into(), dies }, part)
}

#[tokio::test]
async fn bytes_beside_parameters_are_read_and_written_where_both_sides_share_memory() {
    let pool =
        Pool::<Cropped>::builder(Executable::this_test("worker")).workers(1..=1).start().await.unwrap();
    let (crop, part) = job(false);
    // Arenas come when payloads were seen that are worth it.
    let in_arenas = async {
        loop {
            let (places, output) = pool.run(crop.clone()).await.unwrap();
            assert!(*output == *part, "the part is another one");
            if places.contains("procpool-input") && places.contains("procpool-output") {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), in_arenas).await.expect("both lie in arenas");
}

#[tokio::test]
async fn a_retry_is_sent_the_same_parameters() {
    let pool = Pool::<Cropped>::builder(Executable::this_test("worker")).workers(1..=1).max_attempts(2);
    let pool = pool.start().await.unwrap();
    let (crop, part) = job(true);
    let (_, output) = pool.run(crop).await.unwrap();
    assert!(*output == *part, "the part is another one");
}

/// The bytes go beside the frame, which has no place for those of several inputs.
#[tokio::test]
async fn inputs_in_parts_are_jobs_of_their_own_between_the_chunks_of_a_map() {
    let pool = Pool::<Cropped>::builder(Executable::this_test("worker")).workers(1..=1).max_attempts(2);
    let pool = pool.start().await.unwrap();
    // All together are short enough for one chunk.
    let crop = |length, dies| Crop { to: 1..3, image: vec![7; length].into(), dies };
    let (small, large) = (|| crop(4, false), |dies| crop(400_000, dies));
    let inputs = [small(), small(), large(true), small(), small(), large(false)];
    let mut outcomes = pool.map(inputs.clone()).chunks(6);
    for input in inputs {
        let (_, part) = outcomes.next().await.expect("one for each input").unwrap();
        assert!(*part == input.image[input.to], "the part is another one");
    }
    assert_eq!(pool.status().jobs.values().sum::<u64>(), 4, "two chunks, and two large ones");
    assert_eq!(pool.status().deaths, 1);
}
