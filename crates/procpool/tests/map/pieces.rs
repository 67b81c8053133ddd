//! The rest of a chunk is sent again in pieces.

use super::{builder, meeting, release};
use procpool::JobError;
use std::collections::BTreeSet;

#[tokio::test]
async fn a_chunk_counts_as_an_attempt_of_its_inputs() {
    let builder = builder(1).idempotent(true).max_attempts(3).poison_deaths(100).breaker_failures(0);
    let pool = builder.start().await.unwrap();
    let mut outcomes = pool.map([100, 15, 101]).chunks(3);
    assert_eq!(outcomes.next().await.unwrap().unwrap(), 200);
    let end = outcomes.next().await.unwrap();
    assert!(matches!(end, Err(JobError::Crashed(_))), "{end:?}");
    assert_eq!(outcomes.next().await.unwrap().unwrap(), 202);
    assert_eq!(pool.status().deaths, 3);
}

/// The two inputs wait for one another, so that they can only end together.
#[tokio::test]
async fn the_inputs_of_a_lost_chunk_are_sent_to_all_workers() {
    for is_ordered in [true, false] {
        let pool = builder(2).idempotent(true).max_attempts(2).breaker_failures(0).start().await.unwrap();
        let first = meeting();
        let inputs = [15, first, first + 1];
        let outcomes = pool.map(inputs).chunks(3);
        let mut outcomes = if is_ordered { outcomes } else { outcomes.unordered() };
        let mut met = 0;
        while let Some(outcome) = outcomes.next().await {
            met += usize::from(outcome.is_ok());
        }
        assert_eq!(met, 2, "ordered: {is_ordered}");
    }
}

/// A long piece of a chunk delays no other job.
#[tokio::test]
async fn unordered_outcomes_are_not_held_up_by_what_is_sent_again() {
    let pool = builder(2).start().await.unwrap();
    let long = meeting();
    let mut outcomes = pool.map([14, long].into_iter().chain(100..110)).chunks(2).unordered();
    let (mut panicked, mut seen) = (0, BTreeSet::new());
    for _ in 0..11 {
        match outcomes.next().await.unwrap() {
            Err(JobError::Panicked { .. }) => panicked += 1,
            outcome => assert!(seen.insert(outcome.unwrap())),
        }
    }
    assert_eq!((panicked, seen), (1, (100..110).map(|input| 2 * input).collect()));
    let ((), last) = tokio::join!(release(long), outcomes.next());
    assert_eq!(last.unwrap().unwrap(), long);
    assert!(outcomes.next().await.is_none());
}

#[tokio::test]
async fn pieces_of_chunks_wait_for_room_in_a_full_queue() {
    for is_ordered in [true, false] {
        let builder = builder(1).queue(1).idempotent(true).max_attempts(2).breaker_failures(0);
        let pool = builder.poison_deaths(100).start().await.unwrap();
        let inputs = [100, 15, 101, 14, 102, 103, 104, 14, 105, 106, 15, 107, 108];
        let outcomes = pool.map(inputs).chunks(3);
        let mut outcomes = if is_ordered { outcomes } else { outcomes.unordered() };
        let mut seen = Vec::new();
        while let Some(outcome) = outcomes.next().await {
            seen.push(outcome.unwrap_or(0));
        }
        let mut expected: Vec<_> = inputs.map(|input| if input < 100 { 0 } else { 2 * input }).into();
        if !is_ordered {
            seen.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(seen, expected);
    }
}
