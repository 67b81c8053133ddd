//! The dispatcher: which jobs pools get, in which order, and how many.

use crate::engine::{Desk, id, idempotent, once, order, soon};
use procpool_jobs::Jobs;
use procpool_protocol::JobError;
use procpool_protocol::Stage;
use procpool_protocol::engine::{JobEvent, Priority};
use procpool_protocol::outcome::Refusal;
use procpool_registry::State;
use std::time::Duration;

#[tokio::test]
async fn a_pool_gets_as_many_jobs_as_its_window_and_the_next_when_one_ends() {
    let mut options = idempotent(1);
    options.queue = 3;
    let desk = Desk::new(options);
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(id(&desk.enqueue().await));
    }
    for (nth, id) in ids.iter().enumerate() {
        let running = desk.engine.nth(nth).await;
        assert_eq!(running.id, *id, "in order");
        // Everything before has ended, and is recorded.
        assert!(desk.engine.count() <= nth + 3);
        running.succeed();
        desk.until(*id, |record| record.state.is_finished()).await;
    }
}

#[tokio::test]
async fn higher_priorities_go_first_and_lower_ones_have_their_turns() {
    let mut options = once();
    options.claims = 1;
    let desk = Desk::new(options);
    desk.enqueue().await;
    let first = desk.engine.nth(0).await;
    let mut low = Vec::new();
    for _ in 0..2 {
        let mut order = order();
        order.job.priority = Priority::Low;
        low.push(id(&desk.jobs.enqueue(order).await.unwrap()));
    }
    for _ in 0..20 {
        let mut order = order();
        order.job.priority = Priority::High;
        desk.jobs.enqueue(order).await.unwrap();
    }
    first.succeed();
    let mut order = Vec::new();
    for nth in 1..=16 {
        let running = desk.engine.nth(nth).await;
        order.push(running.id);
        running.succeed();
    }
    let is_low: Vec<_> = order.iter().map(|job| low.contains(job)).collect();
    assert!(!is_low[0] && !is_low[1], "{is_low:?}");
    assert_eq!(is_low.iter().filter(|&&low| low).count(), 2, "each eighth turn: {is_low:?}");
}

#[tokio::test]
async fn a_job_that_its_pool_refuses_waits_and_is_offered_again() {
    let desk = Desk::new(once());
    desk.engine.refuse(Some(Refusal::queue_full(1)));
    let id = id(&desk.enqueue().await);
    let record = desk.until(id, |record| record.version >= 3).await;
    assert_eq!((record.state, record.attempt, record.may_have_run), (State::Queued, 0, false));
    desk.engine.refuse(None);
    assert_eq!(desk.engine.nth(0).await.id, id);
    assert_eq!(desk.record(id).await.attempt, 1);
}

#[tokio::test]
async fn a_job_that_timed_out_or_was_shut_down_in_the_queue_of_its_pool_waits_on() {
    let desk = Desk::new(once());
    let id = id(&desk.enqueue().await);
    desk.engine.nth(0).await.end(Err(JobError::timed_out(Stage::Queued, Duration::from_secs(30))));
    desk.engine.nth(1).await.end(Err(JobError::shut_down(Stage::Queued)));
    let running = desk.engine.nth(2).await;
    assert_eq!((running.id, desk.record(id).await.attempt), (id, 1));
    running.succeed();
    desk.until(id, |record| record.state.is_finished()).await;
}

#[tokio::test]
async fn a_delayed_job_waits_for_its_time_across_a_restart() {
    let desk = Desk::new(once());
    let mut later = order();
    later.not_before = Some(Duration::from_secs(3600));
    let later = id(&desk.jobs.enqueue(later).await.unwrap());
    let mut soon_due = order();
    soon_due.not_before = Some(Duration::from_millis(30));
    let soon_due = id(&desk.jobs.enqueue(soon_due).await.unwrap());
    assert!(desk.record(soon_due).await.due.is_some());
    let desk = desk.crash(once());
    assert_eq!(desk.engine.nth(0).await.id, soon_due);
    let record = desk.record(later).await;
    assert!(record.due.is_some() && record.state == State::Queued);
    let mut at_once = order();
    at_once.not_before = Some(Duration::ZERO);
    let at_once = id(&desk.jobs.enqueue(at_once).await.unwrap());
    assert_eq!(desk.engine.nth(1).await.id, at_once);
}

#[tokio::test]
async fn draining_waits_for_what_runs_and_leaves_what_waits() {
    let mut options = once();
    options.claims = 1;
    let desk = Desk::new(options.clone());
    let first = desk.enqueue().await;
    let running = desk.engine.nth(0).await;
    let jobs = desk.jobs.clone();
    let waiting = id(&desk.enqueue().await);
    let drained = tokio::spawn(async move { jobs.drain().await });
    // An answer after the order: the thread has taken it.
    while desk.jobs.enqueue(order()).await.is_err() {}
    assert!(!drained.is_finished());
    running.succeed();
    assert!(soon(first.outcome).await.is_some());
    soon(drained).await.unwrap();
    assert_eq!((desk.engine.count(), desk.record(waiting).await.state), (1, State::Queued));
    let desk = desk.crash(options);
    assert_eq!(desk.engine.nth(0).await.id, waiting);
}

#[tokio::test]
async fn a_hundred_thousand_jobs_wait_in_the_storage_and_not_in_the_dispatcher() {
    const JOBS: usize = 100_000;
    let mut options = idempotent(1);
    options.queue = 64;
    let desk = Desk::new(options);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let jobs = desk.jobs.clone();
        waiting.spawn(async move {
            for _ in 0..JOBS / 100 {
                jobs.enqueue(order()).await.unwrap();
            }
        });
    }
    waiting.join_all().await;
    assert_eq!(desk.jobs.usage().0.unfinished, JOBS);
    for nth in 0..256 {
        let running = desk.engine.nth(nth).await;
        running.say(JobEvent::started(1, "fib-0"));
        running.succeed();
    }
    desk.engine.nth(256 + 63).await;
    assert!(desk.engine.count() <= 256 + 64, "{}", desk.engine.count());
    assert!(desk.store.longest_page() <= 256, "{}", desk.store.longest_page());
}
