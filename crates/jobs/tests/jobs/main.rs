//! The store of jobs in memory, around an engine of a few lines.

mod engine;
mod routed;
mod scheduled;

use crate::engine::{Answer, Scripted};
use procpool_jobs::{Jobs, LocalJobs, Order};
use procpool_protocol::engine::{JobEvent, JobLimits, Submission};
use procpool_protocol::outcome::Refusal;
use procpool_protocol::{Encoding, JobError, Payload, Stage};
use procpool_registry::{
    Cancelled, Decision, Fingerprint, Happened, KeyText, ResultState, Resumed, Settings, State, Wait,
};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::timeout;

/// A bound for an event that must come.
const SOON: Duration = Duration::from_secs(30);

fn order() -> Order {
    Order::new(Submission::new("fib", Payload::json("7"), Encoding::Json))
}

fn keyed(wait: Wait) -> Order {
    let mut order = order();
    order.key = Some((KeyText::parse(b"k").unwrap(), Fingerprint([1; 32])));
    order.wait = wait;
    order
}

fn jobs(engine: &Arc<Scripted>) -> LocalJobs {
    LocalJobs::new(engine.clone(), Settings::default()).unwrap()
}

#[tokio::test]
async fn a_job_runs_under_the_id_of_its_record_and_everything_that_is_reported_is_recorded() {
    let engine = Scripted::new();
    let jobs = jobs(&engine);
    let enqueued = jobs.enqueue(order()).await.unwrap();
    let id = enqueued.decision.record().id;
    let running = engine.only();
    assert_eq!(running.id, id);
    for event in [JobEvent::started(1, "fib-0"), JobEvent::Returned, JobEvent::started(2, "fib-1")] {
        running.say(event);
    }
    running.say(JobEvent::Chunk(Payload::json("1")));
    running.end(Ok(Payload::json("13")));
    let finished = timeout(SOON, enqueued.outcome).await.unwrap().expect("an outcome");
    assert_eq!((finished.id, finished.result.as_ref().unwrap()), (id, &Payload::json("13")));

    let record = jobs.job(id).await.unwrap();
    assert_eq!((record.attempt, record.worker.as_deref(), record.may_have_run), (2, Some("fib-1"), true));
    let Some(Resumed::Next(events)) = jobs.events(id, 0).await else { panic!("all events") };
    let phases = events.iter().filter(|event| matches!(event.what, Happened::Phase { .. })).count();
    assert_eq!((phases, events.len()), (4, 6), "{events:?}");
    assert!(matches!(jobs.events(id, 6).await, Some(Resumed::Ended)));
}

#[tokio::test]
async fn a_cancel_reaches_the_engine_and_its_outcome_the_record() {
    let engine = Scripted::new();
    let jobs = jobs(&engine);
    let enqueued = jobs.enqueue(order()).await.unwrap();
    let id = enqueued.decision.record().id;
    assert_eq!(jobs.cancel(id).await, Cancelled::Requested);
    assert_eq!(engine.cancelled(), [id]);
    engine.only().end(Err(JobError::cancelled(Stage::Queued)));
    timeout(SOON, enqueued.outcome).await.unwrap().unwrap();
    assert!(matches!(jobs.cancel(id).await, Cancelled::TooLate(_)));
}

#[tokio::test]
async fn who_waits_is_woken_by_the_change_and_by_the_end_of_a_record() {
    let engine = Scripted::new();
    let mut settings = Settings::default();
    settings.retention.records = Duration::ZERO;
    let jobs = LocalJobs::new(engine.clone(), settings).unwrap();
    let enqueued = jobs.enqueue(order()).await.unwrap();
    let id = enqueued.decision.record().id;
    let seen = jobs.job(id).await.unwrap().version;
    let theirs = jobs.clone();
    let waits = tokio::spawn(async move { theirs.changed(id, seen).await });
    engine.only().say(JobEvent::started(1, "fib-0"));
    let changed = timeout(SOON, waits).await.unwrap().unwrap().unwrap();
    assert_eq!(changed.state, State::Running);

    let theirs = jobs.clone();
    let waits = tokio::spawn(async move {
        let mut seen = changed.version;
        while let Some(record) = theirs.changed(id, seen).await {
            seen = record.version;
        }
    });
    engine.only().end(Ok(Payload::json("13")));
    // It expires at once, by a task of its own.
    timeout(SOON, waits).await.unwrap().unwrap();
    assert!(timeout(SOON, enqueued.outcome).await.unwrap().is_some(), "who waited from the start has it");
    assert!(jobs.job(id).await.is_none());
}

#[tokio::test]
async fn a_timeout_remembers_which_limits_its_client_asked_for() {
    let engine = Scripted::new();
    let jobs = jobs(&engine);
    let mut order = order();
    order.job.limits = JobLimits::new().timeout(Duration::from_secs(9));
    let asked = order.job.limits;
    let enqueued = jobs.enqueue(order).await.unwrap();
    let id = enqueued.decision.record().id;
    assert!(enqueued.decision.record().deadline.is_some());
    engine.only().end(Err(JobError::timed_out(Stage::Running, Duration::from_secs(2))));
    timeout(SOON, enqueued.outcome).await.unwrap().unwrap();
    let ResultState::Finished(_, finished) = jobs.result(id).await else { panic!("a result") };
    assert_eq!(finished.report.as_deref().and_then(|report| report.asked), Some(asked));
}

#[tokio::test]
async fn a_job_without_a_room_in_the_registry_does_not_reach_the_engine() {
    let engine = Scripted::new();
    let mut settings = Settings::default();
    (settings.max_records, settings.max_keys) = (1, 1);
    let jobs = LocalJobs::new(engine.clone(), settings).unwrap();
    jobs.enqueue(keyed(Wait::None)).await.unwrap();
    let reason = |refused: Result<_, JobError>| match refused.map(|_: procpool_jobs::Enqueued| ()) {
        Err(JobError::Refused(refused)) => refused.reason,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(reason(jobs.enqueue(order()).await), Refusal::registry_full(1));
    let mut other = keyed(Wait::None);
    other.key = Some((KeyText::parse(b"other").unwrap(), Fingerprint([1; 32])));
    assert_eq!(reason(jobs.enqueue(other).await), Refusal::key_store_full(1));
    assert_eq!(engine.count(), 1);
}

#[tokio::test]
async fn a_job_that_is_to_run_later_is_refused_because_a_restart_would_forget_it() {
    let engine = Scripted::new();
    let jobs = jobs(&engine);
    let mut later = order();
    later.not_before = Some(Duration::ZERO);
    let refused = jobs.enqueue(later).await.unwrap_err();
    assert!(matches!(refused, JobError::Refused(it) if it.reason == Refusal::NotDurable));
    assert_eq!((engine.count(), jobs.usage().0.records), (0, 0));
}

/// The pool refuses every job, after a moment in which the other requests come.
#[test]
fn no_request_hears_of_a_job_under_its_key_that_the_pool_is_about_to_refuse() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let engine = Scripted::new();
    engine.answer(Answer::RefuseSlowly);
    let jobs = jobs(&engine);
    runtime.block_on(async {
        let requests: Vec<_> = (0..32)
            .map(|_| {
                let jobs = jobs.clone();
                tokio::spawn(async move { jobs.enqueue(keyed(Wait::None)).await })
            })
            .collect();
        for request in requests {
            let answer = timeout(SOON, request).await.unwrap().unwrap();
            assert!(matches!(answer, Err(JobError::Refused(_))), "{answer:?}");
        }
    });
    assert_eq!(engine.count(), 32, "each was offered: the key is free");
}

/// Bytes as the server hands them over: a part of a large buffer, which counts towards a budget until it is dropped.
fn part_of_a_buffer(text: &'static str) -> (Payload, Weak<()>) {
    struct Part(&'static str, #[allow(dead_code, reason = "its drop is seen")] Arc<()>);
    impl AsRef<[u8]> for Part {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }
    let buffer = Arc::new(());
    let seen = Arc::downgrade(&buffer);
    (Payload::json(bytes::Bytes::from_owner(Part(text, buffer))), seen)
}

#[tokio::test]
async fn what_is_held_for_long_holds_no_buffer_of_others() {
    let engine = Scripted::new();
    let jobs = jobs(&engine);
    let (input, input_buffer) = part_of_a_buffer("7");
    let (chunk, chunk_buffer) = part_of_a_buffer("[1]");
    let (output, output_buffer) = part_of_a_buffer("13");
    let mut order = order();
    order.job.input = input;
    let enqueued = jobs.enqueue(order).await.unwrap();
    let id = enqueued.decision.record().id;
    // The engine of this test has dropped its copy.
    assert!(input_buffer.upgrade().is_none(), "the input");
    engine.only().say(JobEvent::Chunk(chunk));
    engine.only().say(JobEvent::started(1, "fib-0"));
    engine.only().end(Ok(output));
    timeout(SOON, enqueued.outcome).await.unwrap().unwrap();
    assert!(output_buffer.upgrade().is_none() && chunk_buffer.upgrade().is_none(), "output and chunk");
    assert_eq!(jobs.input(id).await.unwrap().input, Payload::json("7"));
    let ResultState::Finished(_, finished) = jobs.result(id).await else { panic!("a result") };
    assert_eq!(finished.result.as_ref().unwrap(), &Payload::json("13"));
}

#[tokio::test]
async fn the_same_key_attaches_to_the_job_that_runs() {
    let engine = Scripted::new();
    let jobs = jobs(&engine);
    let first = jobs.enqueue(keyed(Wait::Outcome)).await.unwrap();
    let second = jobs.enqueue(keyed(Wait::Limited)).await.unwrap();
    assert!(matches!(first.decision, Decision::Run(_)) && matches!(second.decision, Decision::Attach(_)));
    engine.only().end(Ok(Payload::json("13")));
    for outcome in [first.outcome, second.outcome] {
        let finished = timeout(SOON, outcome).await.unwrap().unwrap();
        assert_eq!(finished.result.as_ref().unwrap(), &Payload::json("13"));
    }
    assert!(matches!(jobs.enqueue(keyed(Wait::Outcome)).await.unwrap().decision, Decision::Replay(..)));
}
