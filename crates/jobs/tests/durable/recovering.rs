//! The jobs of a process that was killed, in the next one.

use crate::engine::{Desk, Scripted, id, idempotent, once, soon};
use procpool_jobs::{JobNote, Jobs, PoolOptions};
use procpool_protocol::JobError;
use procpool_protocol::engine::JobEvent;
use procpool_registry::{ResultState, State};
use std::collections::HashSet;

/// Lets a job begin its attempt with this number. Its record has the worker of the attempt before, if there was one.
async fn started(desk: &Desk, nth: usize, attempt: u32) {
    let running = desk.engine.nth(nth).await;
    running.say(JobEvent::started(1, "fib-0"));
    desk.until(running.id, |record| record.worker.is_some() && record.attempt == attempt).await;
}

#[tokio::test]
async fn a_job_that_may_not_be_repeated_has_crashed_with_its_host() {
    let desk = Desk::new(once());
    let id = id(&desk.enqueue().await);
    started(&desk, 0, 1).await;
    let desk = desk.crash(once());
    let ResultState::Finished(record, finished) = desk.jobs.result(id).await else { panic!("an outcome") };
    let Err(JobError::Crashed(report)) = finished.result.as_ref().map_err(|error| &**error) else {
        panic!("a crash: {finished:?}")
    };
    assert!(report.is_host_lost() && record.may_have_run);
    let text = report.to_string();
    assert!(text.contains("host process") && text.contains("lost"), "{text}");
    assert_eq!((report.death.worker.as_str(), desk.engine.count()), ("fib-0", 0));
}

#[tokio::test]
async fn a_job_that_may_be_repeated_waits_again_as_long_as_it_has_attempts() {
    let desk = Desk::new(idempotent(2));
    let id = id(&desk.enqueue().await);
    started(&desk, 0, 1).await;
    let desk = desk.crash(idempotent(2));
    started(&desk, 0, 2).await;
    assert_eq!((desk.engine.nth(0).await.id, desk.record(id).await.attempt), (id, 2));
    let desk = desk.crash(idempotent(2));
    let ResultState::Finished(_, finished) = desk.jobs.result(id).await else { panic!("an outcome") };
    assert!(finished.result.is_err());
    assert_eq!(desk.engine.count(), 0);
}

#[tokio::test]
async fn waiting_jobs_run_in_the_next_process() {
    let mut options = once();
    options.claims = 1;
    let desk = Desk::new(options.clone());
    for _ in 0..3 {
        desk.enqueue().await;
    }
    desk.engine.nth(0).await;
    let desk = desk.crash(options);
    for nth in 0..2 {
        let running = desk.engine.nth(nth).await;
        running.succeed();
        desk.until(running.id, |record| record.state.is_finished()).await;
    }
    assert_eq!(desk.engine.count(), 2, "the first was claimed");
}

/// Kills the process again and again while jobs are accepted, run and end.
#[tokio::test]
async fn no_job_is_lost_and_none_that_may_not_be_repeated_is_handed_out_twice() {
    let mut desk = Desk::new(once());
    let (mut accepted, mut handed) = (Vec::new(), HashSet::new());
    for round in 0..40 {
        for _ in 0..5 {
            accepted.push(id(&desk.enqueue().await));
        }
        // Some end, some have begun, some are claimed, some wait.
        for nth in 0..round % 4 {
            let running = desk.engine.nth(nth).await;
            running.say(JobEvent::started(1, "fib-0"));
            if nth % 2 == 0 {
                running.succeed();
            }
        }
        let next = desk.crash(once());
        for nth in 0..desk.engine.count() {
            let job = desk.engine.nth(nth).await.id;
            assert!(handed.insert(job), "{job} was handed out twice");
        }
        desk = next;
    }
    // Everything that waits comes to its end.
    let mut nth = 0;
    for job in accepted {
        while !desk.record(job).await.state.is_finished() {
            let running = desk.engine.nth(nth).await;
            assert!(handed.insert(running.id), "{} was handed out twice", running.id);
            running.succeed();
            desk.until(running.id, |record| record.state.is_finished()).await;
            nth += 1;
        }
    }
}

#[tokio::test]
async fn a_job_of_a_pool_that_is_gone_waits_until_it_is_back() {
    let mut options = once();
    options.claims = 1;
    let desk = Desk::new(options.clone());
    desk.enqueue().await;
    desk.engine.nth(0).await;
    let waiting = id(&desk.enqueue().await);
    let store = desk.store.crash();
    let mut without = PoolOptions::default();
    without.durable = false;
    let desk = Desk::with(store, Scripted::new(), without);
    assert_eq!(desk.record(waiting).await.state, State::Queued);
    desk.jobs.set_pools(procpool_jobs::DurableOptions::new([("fib", options)]));
    assert_eq!(desk.engine.nth(0).await.id, waiting);
}

#[tokio::test]
async fn a_note_is_durable_with_its_job() {
    let desk = Desk::new(once());
    let mut order = crate::engine::order();
    order.note = Some(JobNote::new("schedule/a", |job| job.to_string().into_bytes()));
    let job = id(&desk.jobs.enqueue(order).await.unwrap()).to_string();
    soon(desk.jobs.put_note("b", Some(b"2".to_vec()))).await.unwrap();
    let desk = desk.crash(once());
    assert_eq!(soon(desk.jobs.note("schedule/a")).await.as_deref(), Some(job.as_bytes()));
    assert_eq!(soon(desk.jobs.note("b")).await.as_deref(), Some(&b"2"[..]));
}

#[tokio::test]
async fn closing_cancels_what_runs_and_leaves_what_waits() {
    let desk = Desk::new(idempotent(2));
    let enqueued = desk.enqueue().await;
    started(&desk, 0, 1).await;
    soon(desk.jobs.close()).await;
    assert!(soon(enqueued.outcome).await.is_none(), "nobody waits for ever");
    assert!(desk.jobs.enqueue(crate::engine::order()).await.is_err());
    let next = Desk::over(desk.store.clone(), idempotent(2));
    assert_eq!(next.engine.nth(0).await.id, desk.engine.nth(0).await.id);
}
