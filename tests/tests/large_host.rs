//! A coordinator with a lot of memory, alone in its process: the kernel counts what it ever had resident to each
//! worker that it spawns, because a process that is no copy of its parent has the parent's memory until its `exec`.

use procpool::Pool;
use procpool::error::ExitReport;
use procpool_tests::library::verbs;
use procpool_tests::verbs::{Verb, Verbs};

const LIMIT: u64 = 256 << 20;

/// More than seven eighths of it.
const MOST: usize = 240_000_000;

#[tokio::test]
async fn the_memory_of_the_coordinator_is_not_its_workers() {
    let ours = vec![1_u8; MOST];
    let pool = verbs(1).address_space_limit(LIMIT).no_timeout().start().await.unwrap();
    drop(std::hint::black_box(ours));
    for signal in [9, 11] {
        let (death, report) = death_by(&pool, signal).await;
        assert_eq!((death.exit.signal(), death.limit), (Some(signal), None));
        assert_eq!(death.peak_memory, None, "{death:?}");
        assert!(report["peak_memory_bytes"].is_null(), "{report}");
    }
    // The memory that a worker has beyond its coordinator is reported.
    let pool = verbs(1).no_timeout().start().await.unwrap();
    pool.run(Verb::Hoard(2 * MOST)).await.unwrap();
    let (death, report) = death_by(&pool, 11).await;
    assert!(death.peak_memory.is_some_and(|peak| peak >= 2 * MOST as u64), "{death:?}");
    assert_eq!(report["peak_memory_bytes"].as_u64(), death.peak_memory);
}

/// Kills the worker with this signal, and returns the report, as it is and as JSON.
async fn death_by(pool: &Pool<Verbs>, signal: i32) -> (ExitReport, serde_json::Value) {
    let error = pool.run(Verb::Die(signal)).await.unwrap_err();
    let report = error.crash_report().unwrap_or_else(|| panic!("not a crash: {error}"));
    (report.death.clone(), serde_json::to_value(report).unwrap())
}
