//! Groups that are written and on their way to the disk: nobody learns anything of them.

use crate::engine::{Desk, idempotent, order, reason, soon};
use procpool_jobs::{Enqueued, Health, Jobs};
use procpool_protocol::JobError;
use procpool_protocol::outcome::Refusal;
use procpool_registry::{CommitError, Filter};
use std::time::Duration;
use tokio::task::{JoinHandle, yield_now};

/// More than fit into a group that is committed at once.
const MANY: usize = 40;

type Answers = Vec<JoinHandle<Result<Enqueued, JobError>>>;

/// Has a large group of orders wait for its way to the disk. Returns their answers.
async fn sealed(desk: &Desk) -> Answers {
    // They gather while the store's thread stands still.
    let stall = desk.store.stall();
    let offer = |_| {
        let jobs = desk.jobs.clone();
        tokio::spawn(async move { jobs.enqueue(order()).await })
    };
    let answers: Answers = (0..MANY).map(offer).collect();
    for _ in 0..10 * MANY {
        yield_now().await;
    }
    drop(stall);
    while !desk.store.is_sealed() {
        yield_now().await;
    }
    answers
}

#[tokio::test]
async fn nothing_is_told_or_handed_out_before_a_sealed_group_is_durable() {
    let desk = Desk::new(idempotent(1));
    let held = desk.store.hold_syncs();
    let mut answers = sealed(&desk).await;
    let read = tokio::spawn({
        let jobs = desk.jobs.clone();
        async move { jobs.list(Filter::default(), None, MANY).await.unwrap().jobs.len() }
    });
    // sleep: nothing is to happen
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!read.is_finished(), "somebody has read what is not durable");
    let mut told = Vec::new();
    while let Some(at) = answers.iter().position(JoinHandle::is_finished) {
        told.push(answers.swap_remove(at).await.unwrap().unwrap().decision.record().id);
    }
    assert!(told.len() < MANY / 2, "{} were told", told.len());
    assert!(desk.engine.count() <= told.len(), "a pool has a job that is not durable");
    drop(held);
    for answer in answers {
        soon(answer).await.unwrap().unwrap();
    }
    assert_eq!(soon(read).await.unwrap(), MANY);
    desk.engine.nth(told.len()).await;
}

#[tokio::test]
async fn a_crash_loses_only_what_nobody_was_told_of() {
    let desk = Desk::new(idempotent(1));
    let _held = desk.store.hold_syncs();
    let answers = sealed(&desk).await;
    let next = desk.crash(idempotent(1));
    let mut told = 0;
    for answer in answers.into_iter().filter(JoinHandle::is_finished) {
        if let Ok(enqueued) = answer.await.unwrap() {
            next.record(enqueued.decision.record().id).await;
            told += 1;
        }
    }
    assert!(told < MANY / 2, "{told} were told");
}

#[tokio::test]
async fn a_sealed_group_that_fails_is_refused_as_a_whole() {
    let desk = Desk::new(idempotent(1));
    let held = desk.store.hold_syncs();
    let answers = sealed(&desk).await;
    let handed = desk.engine.count();
    desk.store.set_broken("the disk is gone");
    drop(held);
    assert_eq!(soon(desk.jobs.broken()).await, CommitError::Broken("the disk is gone".into()));
    let mut refused = 0;
    for answer in answers {
        match soon(answer).await.unwrap() {
            Ok(_) => {}
            error => {
                assert_eq!(reason(error), Refusal::store_broken("the disk is gone"));
                refused += 1;
            }
        }
    }
    assert!(refused > MANY / 2, "{refused} were refused");
    assert_eq!(desk.jobs.health(), Health::Broken("the disk is gone".into()));
    assert!(desk.engine.count() <= handed.max(MANY - refused));
}
