//! Chunks while no worker is ready: the pool knows its workers, or asks the first one.

use super::{builder, ended, meeting};

#[tokio::test]
async fn a_pool_whose_workers_all_restart_takes_chunks() {
    let pool = builder(1).start().await.unwrap();
    pool.run(15).await.unwrap_err();
    let mut outcomes = pool.map(100..1_100).chunks(100);
    for input in 100..1_100 {
        assert_eq!(outcomes.next().await.unwrap().unwrap(), 2 * input);
    }
    assert_eq!(ended(&pool), 11, "the one that killed, and ten chunks");
}

#[tokio::test]
async fn a_lazy_pool_takes_chunks_once_its_first_worker_is_ready() {
    let pool = builder(1).start_lazy().unwrap();
    let mut outcomes = pool.map(100..1_101).chunks(100);
    for input in 100..1_101 {
        assert_eq!(outcomes.next().await.unwrap().unwrap(), 2 * input);
    }
    assert_eq!(ended(&pool), 11, "the input for which the worker is started, and ten chunks");
}

/// The two inputs wait for one another, so that they can only end together.
#[tokio::test]
async fn the_first_job_of_a_lazy_pool_delays_no_other() {
    for is_ordered in [true, false] {
        let pool = builder(2).start_lazy().unwrap();
        let first = meeting();
        let outcomes = pool.map([first, first + 1]).chunks(2);
        let mut outcomes = if is_ordered { outcomes } else { outcomes.unordered() };
        while let Some(outcome) = outcomes.next().await {
            outcome.unwrap();
        }
    }
}
