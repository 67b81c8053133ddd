//! A coordinator with a lot of memory, alone in its process: the kernel counts what it ever had resident to each
//! worker that it spawns, because a process that is no copy of its parent has the parent's memory until its `exec`.

use procpool_tests::library::verbs;
use procpool_tests::verbs::Verb;

const LIMIT: u64 = 256 << 20;

/// More than seven eighths of it.
const MOST: usize = 240_000_000;

#[tokio::test]
async fn the_memory_of_the_coordinator_is_not_its_workers() {
    let ours = vec![1_u8; MOST];
    let pool = verbs(1).memory_limit(LIMIT).no_timeout().start().await.unwrap();
    drop(std::hint::black_box(ours));
    for signal in [9, 11] {
        let error = pool.run(Verb::Die(signal)).await.unwrap_err();
        let death = &error.crash_report().unwrap_or_else(|| panic!("not a crash: {error}")).death;
        assert_eq!((death.exit.signal(), death.limit), (Some(signal), None));
    }
}
