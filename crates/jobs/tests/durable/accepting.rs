//! Acceptance, outcomes, keys and cancels, as far as a storage on disk changes them.

use crate::engine::{Desk, id, idempotent, once, order, reason, soon};
use procpool_jobs::{DurableJobs, DurableOptions, Jobs, Order, PoolOptions};
use procpool_protocol::engine::{JobEvent, JobLimits, Submission};
use procpool_protocol::message::Progress;
use procpool_protocol::outcome::Refusal;
use procpool_protocol::{Encoding, JobError, OutcomeKind, Payload};
use procpool_registry::{
    Cancelled, Decision, Filter, Fingerprint, Happened, KeyText, MemoryStore, Resumed, Settings, State, Trial,
};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_job_runs_under_its_id_and_its_outcome_is_recorded() {
    let desk = Desk::new(idempotent(1));
    let enqueued = desk.enqueue().await;
    let id = id(&enqueued);
    assert!(desk.store.commits() > 0 && desk.jobs.is_durable("fib"));
    let running = desk.engine.nth(0).await;
    assert_eq!((running.id, &running.job.input), (id, &Payload::json("7")));
    running.say(JobEvent::started(1, "fib-0"));
    running.say(JobEvent::Chunk(Payload::json("1")));
    running.succeed();
    let finished = soon(enqueued.outcome).await.expect("an outcome");
    assert_eq!(finished.result.as_ref().unwrap(), &Payload::json("13"));
    let record = desk.record(id).await;
    assert_eq!((record.attempt, record.worker.as_deref()), (1, Some("fib-0")));
    let Some(Resumed::Next(events)) = soon(desk.jobs.events(id, 1)).await else { panic!("its events") };
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(matches!(events[2].what, Happened::Outcome { outcome: OutcomeKind::Ok, .. }));
}

#[tokio::test]
async fn ids_are_in_order_of_their_time() {
    let desk = Desk::new(idempotent(1));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(id(&desk.enqueue().await).to_bytes()[..6].to_vec());
    }
    assert!(ids.is_sorted());
}

#[tokio::test]
async fn a_job_that_may_not_be_repeated_is_claimed_before_its_pool_gets_it() {
    let desk = Desk::new(once());
    let enqueued = desk.enqueue().await;
    let running = desk.engine.nth(0).await;
    // The next process would find it so, without a word of the pool.
    let left = desk.store.crash();
    let record = procpool_registry::Storage::get(&left, running.id).unwrap();
    assert_eq!((record.state, record.attempt, record.worker.as_deref()), (State::Running, 1, None));
    drop(enqueued);
}

#[tokio::test]
async fn the_same_key_attaches_and_the_outcome_is_replayed_after_a_restart() {
    let keyed = || {
        let mut order = order();
        order.key = Some((KeyText::parse(b"k").unwrap(), Fingerprint([1; 32])));
        order
    };
    let desk = Desk::new(once());
    let first = desk.jobs.enqueue(keyed()).await.unwrap();
    let second = desk.jobs.enqueue(keyed()).await.unwrap();
    assert!(matches!((&first.decision, &second.decision), (Decision::Run(_), Decision::Known(_))));
    desk.engine.nth(0).await.succeed();
    for outcome in [first.outcome, second.outcome] {
        assert!(soon(outcome).await.unwrap().result.is_ok());
    }
    let desk = desk.crash(once());
    let third = desk.jobs.enqueue(keyed()).await.unwrap();
    assert!(matches!(third.decision, Decision::Replay(..)));
    assert!(soon(third.outcome).await.unwrap().result.is_ok());
    assert_eq!(desk.engine.count(), 0);
}

#[tokio::test]
async fn a_cancel_is_the_durable_outcome_and_the_kill_follows() {
    let desk = Desk::new(once());
    let enqueued = desk.enqueue().await;
    let id = id(&enqueued);
    desk.engine.nth(0).await.say(JobEvent::started(1, "fib-0"));
    desk.until(id, |record| record.worker.is_some()).await;
    assert_eq!(soon(desk.jobs.cancel(id)).await, Cancelled::Requested);
    assert_eq!(desk.engine.cancelled().await, id);
    let finished = soon(enqueued.outcome).await.unwrap();
    assert!(matches!(finished.result.as_ref().map_err(|error| &**error), Err(JobError::Cancelled { .. })));
    // The late word of the pool changes nothing, also not after a restart.
    desk.engine.nth(0).await.succeed();
    assert_eq!(desk.record(id).await.state, State::Finished(OutcomeKind::Cancelled));
    assert_eq!(soon(desk.jobs.cancel(id)).await, Cancelled::TooLate(OutcomeKind::Cancelled));
    let desk = desk.crash(once());
    assert_eq!(desk.record(id).await.state, State::Finished(OutcomeKind::Cancelled));
}

#[tokio::test]
async fn a_cancelled_job_may_have_run_if_a_pool_may_have_begun_it() {
    let mut options = idempotent(2);
    options.queue = 1;
    let desk = Desk::new(options.clone());
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(id(&desk.enqueue().await));
    }
    // Its start is not known yet. The others wait.
    assert_eq!(desk.engine.nth(0).await.id, jobs[0]);
    let cancelled = async |desk: &Desk, nth: usize| {
        assert_eq!(soon(desk.jobs.cancel(jobs[nth])).await, Cancelled::Requested);
        let record = desk.record(jobs[nth]).await;
        assert_eq!(record.state, State::Finished(OutcomeKind::Cancelled));
        record.may_have_run
    };
    assert!(!cancelled(&desk, 3).await, "no pool had it");
    assert!(cancelled(&desk, 0).await);
    // Of these, the next process knows nothing.
    let desk = desk.crash(options);
    assert!(cancelled(&desk, 2).await);
    desk.jobs.cancel_matching(Filter::default(), None, 200, Trial::Order).await.unwrap();
    let by_filter = desk.record(jobs[1]).await;
    assert_eq!(by_filter.state, State::Finished(OutcomeKind::Cancelled));
    assert!(by_filter.may_have_run);
}

#[tokio::test]
async fn a_job_that_is_late_may_have_run_if_a_pool_may_have_begun_it() {
    let mut options = idempotent(2);
    options.queue = 1;
    let late = async |desk: &Desk, time| {
        let mut order = order();
        order.job.limits = JobLimits::new().timeout(time);
        let enqueued = desk.jobs.enqueue(order).await.unwrap();
        let job = id(&enqueued);
        soon(enqueued.outcome).await;
        let record = desk.record(job).await;
        assert_eq!(record.state, State::Finished(OutcomeKind::TimedOut));
        (record.may_have_run, record.attempt)
    };
    let desk = Desk::new(options.clone());
    let first = id(&desk.enqueue().await);
    assert_eq!(desk.engine.nth(0).await.id, first);
    assert_eq!(late(&desk, Duration::from_millis(1)).await, (false, 0), "no pool had it");
    // A pool has this one, and reports nothing.
    let desk = Desk::new(options);
    assert_eq!(late(&desk, Duration::from_millis(200)).await, (true, 1));
    assert_eq!(desk.engine.nth(0).await.job.pool, "fib");
}

#[tokio::test]
async fn waiting_jobs_are_cancelled_by_filter_without_their_pool() {
    let mut options = once();
    options.claims = 1;
    let desk = Desk::new(options);
    for _ in 0..5 {
        desk.enqueue().await;
    }
    desk.engine.nth(0).await;
    let selection = desk.jobs.cancel_matching(Filter::default(), None, 200, Trial::Order).await.unwrap();
    assert_eq!((selection.jobs.len(), desk.engine.count()), (5, 1));
    let mut filter = Filter::default();
    filter.outcome = Some(OutcomeKind::Cancelled);
    assert_eq!(desk.jobs.list(filter, None, 200).await.unwrap().jobs.len(), 5);
}

#[tokio::test]
async fn what_cannot_run_is_refused_at_the_door() {
    let mut options = once();
    options.max_payload = 3;
    let desk = Desk::new(options);
    let unknown = Order::new(Submission::new("nib", Payload::json("7"), Encoding::Json));
    assert_eq!(reason(desk.jobs.enqueue(unknown).await), Refusal::unknown_pool(vec!["fib".into()]));
    let large = Order::new(Submission::new("fib", Payload::json("1234"), Encoding::Json));
    assert_eq!(reason(desk.jobs.enqueue(large).await), Refusal::input_too_large(4, 3));
    assert_eq!(desk.engine.count(), 0);
}

#[tokio::test]
async fn what_a_client_holds_for_its_job_is_free_once_that_is_durable() {
    let desk = Desk::new(once());
    desk.engine.refuse(Some(Refusal::queue_full(1)));
    let held: Arc<dyn std::any::Any + Send + Sync> = Arc::new(());
    let mut order = order();
    order.held = Some(held.clone());
    desk.jobs.enqueue(order).await.unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test]
async fn a_pool_that_is_not_durable_is_unknown_to_the_store() {
    let mut other = PoolOptions::default();
    other.durable = false;
    let options = DurableOptions::new([("fib", once()), ("ping", other)]);
    let engine = crate::engine::Scripted::new();
    let jobs = DurableJobs::open(engine, Settings::on_disk(), MemoryStore::default(), options).unwrap();
    assert!(jobs.is_durable("fib") && !jobs.is_durable("ping"));
    let ping = Order::new(Submission::new("ping", Payload::json("7"), Encoding::Json));
    assert_eq!(reason(jobs.enqueue(ping).await), Refusal::unknown_pool(vec!["fib".into()]));
}

#[tokio::test]
async fn a_thousand_reports_of_progress_are_not_a_thousand_commits() {
    let desk = Desk::new(idempotent(1));
    let enqueued = desk.enqueue().await;
    let running = desk.engine.nth(0).await;
    running.say(JobEvent::started(1, "fib-0"));
    desk.until(id(&enqueued), |record| record.worker.is_some()).await;
    let before = desk.store.commits();
    for done in 1..=1000 {
        running.say(JobEvent::Progress(Progress { done, total: Some(1000) }));
    }
    let is_last = |record: &procpool_registry::Record| record.progress.is_some_and(|it| it.done == 1000);
    desk.until(id(&enqueued), is_last).await;
    assert!(desk.store.commits() - before < 10, "{}", desk.store.commits() - before);
}

#[tokio::test]
async fn a_deadline_of_its_own_ends_a_job_that_waits() {
    let mut options = once();
    options.claims = 1;
    let desk = Desk::new(options);
    desk.enqueue().await;
    desk.engine.nth(0).await;
    let mut order = order();
    order.job.limits = JobLimits::new().timeout(Duration::from_millis(1));
    let enqueued = desk.jobs.enqueue(order).await.unwrap();
    let finished = soon(enqueued.outcome).await.unwrap();
    assert!(matches!(finished.result.as_ref().map_err(|error| &**error), Err(JobError::TimedOut { .. })));
    assert_eq!(desk.engine.count(), 1);
}
