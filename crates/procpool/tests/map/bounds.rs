//! The bounds of a map: the inputs that it takes, the work of one poll, the jobs for a grown pool.

use super::builder;
use procpool::JobError;
use std::sync::atomic::{AtomicU64, Ordering};

/// Returns the inputs of `Work` from 100, and counts those that are taken.
fn counted(taken: &AtomicU64) -> impl Iterator<Item = u64> {
    (100..3_000_100).inspect(|_| {
        taken.fetch_add(1, Ordering::Relaxed);
    })
}

#[tokio::test]
async fn a_closed_pool_does_not_swallow_the_inputs() {
    let pool = builder(1).start().await.unwrap();
    pool.close();
    for chunk in [1, 100] {
        let taken = AtomicU64::new(0);
        let mut outcomes = pool.map(counted(&taken)).ahead(usize::MAX).chunks(chunk);
        for _ in 0..100 {
            let end = outcomes.next().await.unwrap();
            assert!(matches!(end, Err(JobError::Refused(_))), "{end:?}");
        }
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < 2_000, "{taken} inputs taken for 100 outcomes");
    }
}

#[tokio::test]
async fn one_poll_takes_a_bounded_number_of_inputs() {
    use futures_util::Stream as _;
    let pool = builder(1).queue(100_000).start().await.unwrap();
    pool.ready(1).await.unwrap();
    for (chunk, ahead) in [(usize::MAX, 16), (1, usize::MAX)] {
        let taken = AtomicU64::new(0);
        let mut outcomes = std::pin::pin!(pool.map(counted(&taken)).chunks(chunk).ahead(ahead));
        std::future::poll_fn(|context| {
            assert!(outcomes.as_mut().poll_next(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        let in_a_poll = taken.load(Ordering::Relaxed);
        assert!(in_a_poll <= 2_000, "{in_a_poll} inputs in one poll");
        for input in 100..20_000 {
            assert_eq!(outcomes.next().await.unwrap().unwrap(), 2 * input);
        }
    }
}

/// Nothing but the map's own turns lets the other task run.
#[tokio::test]
async fn other_tasks_run_between_the_outcomes_of_a_chunk() {
    let pool = builder(1).start().await.unwrap();
    pool.ready(1).await.unwrap();
    let mut outcomes = pool.map(100..5_100).chunks(5_000).ahead(1);
    outcomes.next().await.unwrap().unwrap();
    let other = tokio::spawn(async {});
    let mut before = 0;
    while !other.is_finished() {
        outcomes.next().await.expect("the other task runs before the end").unwrap();
        before += 1;
    }
    assert!(before < 1_000, "{before} outcomes before it ran");
}

#[tokio::test]
async fn an_iterator_that_panics_loses_no_input_before_it() {
    use futures_util::FutureExt as _;
    let pool = builder(1).start().await.unwrap();
    pool.ready(1).await.unwrap();
    let inputs = (100..110).inspect(|&input| assert_ne!(input, 105, "an iterator that panics"));
    let mut outcomes = pool.map(inputs).chunks(10);
    std::panic::AssertUnwindSafe(outcomes.next()).catch_unwind().await.unwrap_err();
    for input in (100..110).filter(|&input| input != 105) {
        assert_eq!(outcomes.next().await.unwrap().unwrap(), 2 * input);
    }
    assert!(outcomes.next().await.is_none());
}

#[tokio::test]
async fn a_pool_that_has_grown_is_given_jobs_for_all_its_workers() {
    use futures_util::Stream as _;
    let pool = builder(1).start().await.unwrap();
    let taken = AtomicU64::new(0);
    let mut outcomes = std::pin::pin!(pool.map(counted(&taken)));
    pool.resize(1..=12).unwrap();
    std::future::poll_fn(|context| {
        let _outcome = outcomes.as_mut().poll_next(context);
        std::task::Poll::Ready(())
    })
    .await;
    assert_eq!(taken.load(Ordering::Relaxed), 24, "two for each worker");
}
