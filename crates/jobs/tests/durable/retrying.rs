//! Retries with back-off, dead letters, and sending them again.

use crate::engine::{Desk, id, once, retried, soon};
use procpool_jobs::Jobs;
use procpool_protocol::engine::JobEvent;
use procpool_protocol::{CrashReport, Failure, JobError, JobId, OutcomeKind};
use procpool_registry::{Filter, ResultState, State, Trial};
use std::time::Duration;

fn crashed() -> JobError {
    JobError::Crashed(Box::new(CrashReport::host_lost(JobId::from_bits(1), "fib-0")))
}

/// Lets a run end in this way after its start.
async fn run(desk: &Desk, nth: usize, error: JobError) {
    let running = desk.engine.nth(nth).await;
    running.say(JobEvent::started(1, "fib-0"));
    running.end(Err(error));
}

#[tokio::test]
async fn a_crash_is_repeated_until_the_attempts_are_used_up() {
    let desk = Desk::new(retried(3));
    let enqueued = desk.enqueue().await;
    for nth in 0..3 {
        run(&desk, nth, crashed()).await;
    }
    assert!(soon(enqueued.outcome).await.unwrap().result.is_err());
    assert_eq!(desk.engine.count(), 3);
}

#[tokio::test]
async fn another_attempt_waits_for_its_time_and_survives_a_restart() {
    let mut options = retried(3);
    options.retry.first = Duration::from_secs(3600);
    options.retry.max = Duration::from_secs(3600);
    let desk = Desk::new(options.clone());
    let id = id(&desk.enqueue().await);
    run(&desk, 0, crashed()).await;
    let record = desk.until(id, |record| record.due.is_some()).await;
    assert_eq!((record.state, record.attempt), (State::Queued, 1));
    let desk = desk.crash(options);
    assert_eq!(desk.record(id).await.due, record.due);
    assert_eq!(desk.engine.count(), 0);
}

#[tokio::test]
async fn a_function_that_asks_for_another_attempt_gets_it_in_every_pool_with_retries() {
    let mut options = retried(2);
    options.idempotent = false;
    let desk = Desk::new(options);
    let enqueued = desk.enqueue().await;
    run(&desk, 0, JobError::Failed(Failure::new("busy").retryable())).await;
    desk.engine.nth(1).await.succeed();
    assert!(soon(enqueued.outcome).await.unwrap().result.is_ok());
    let enqueued = desk.enqueue().await;
    run(&desk, 2, crashed()).await;
    assert!(soon(enqueued.outcome).await.unwrap().result.is_err());
    assert_eq!(desk.engine.count(), 3);
}

#[tokio::test]
async fn dead_letters_are_listed_outlive_others_and_run_again() {
    let desk = Desk::new(once());
    let fails = desk.enqueue().await;
    run(&desk, 0, JobError::Failed(Failure::new("no"))).await;
    let (dead, outcome) = (id(&fails), fails.outcome);
    soon(outcome).await.unwrap();
    let works = desk.enqueue().await;
    desk.engine.nth(1).await.succeed();
    let alive = id(&works);
    soon(works.outcome).await.unwrap();

    let mut filter = Filter::default();
    filter.dead = true;
    let list = desk.jobs.list(filter.clone(), None, 200).await.unwrap();
    assert_eq!(list.jobs.iter().map(|record| record.id).collect::<Vec<_>>(), [dead]);
    let (dead_record, alive_record) = (desk.record(dead).await, desk.record(alive).await);
    assert!(dead_record.bodies_expire.unwrap() > alive_record.expires.unwrap());
    assert!(desk.jobs.input(dead).await.is_some());
    assert!(matches!(desk.jobs.result(dead).await, ResultState::Finished(..)));

    let dry = desk.jobs.rerun_matching(filter.clone(), None, 200, Trial::DryRun, None).await.unwrap();
    assert!(matches!(dry.jobs[..], [(job, None)] if job == dead));
    let reruns = desk.jobs.rerun_matching(filter, None, 200, Trial::Order, None).await.unwrap();
    let [(_, Some(Ok(again)))] = reruns.jobs[..] else { panic!("one rerun: {reruns:?}") };
    assert_eq!(desk.record(again).await.rerun_of, Some(dead));
    let running = desk.engine.nth(2).await;
    running.succeed();
    desk.until(again, |record| record.state == State::Finished(OutcomeKind::Ok)).await;
}
