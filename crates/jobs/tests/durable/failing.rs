//! A storage without space, a broken one, and one that is too slow.

use crate::engine::{Desk, id, idempotent, once, order, reason, soon};
use procpool_jobs::{Health, Jobs};
use procpool_protocol::engine::JobEvent;
use procpool_protocol::outcome::Refusal;
use procpool_protocol::{Encoding, Payload};
use procpool_registry::CommitError;

#[tokio::test]
async fn without_space_jobs_are_refused_and_accepted_ones_end() {
    let desk = Desk::new(once());
    let enqueued = desk.enqueue().await;
    let running = desk.engine.nth(0).await;
    desk.store.set_full(true);
    assert_eq!(reason(desk.jobs.enqueue(order()).await), Refusal::StoreFull);
    assert_eq!(desk.jobs.health(), Health::Full);
    running.say(JobEvent::started(1, "fib-0"));
    running.succeed();
    assert!(soon(enqueued.outcome).await.unwrap().result.is_ok());
    assert_eq!(desk.jobs.usage().0.records, 1);

    desk.store.set_full(false);
    // Refused for a moment longer, so that not each attempt costs the others their group.
    while desk.jobs.enqueue(order()).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(desk.jobs.health(), Health::Ok);
    desk.engine.nth(1).await;
}

#[tokio::test]
async fn nothing_is_told_that_a_failed_commit_has_undone() {
    let desk = Desk::new(idempotent(1));
    let enqueued = desk.enqueue().await;
    let id = id(&enqueued);
    let running = desk.engine.nth(0).await;
    desk.store.set_broken("the disk is gone");
    running.succeed();
    assert_eq!(soon(desk.jobs.broken()).await, CommitError::Broken("the disk is gone".into()));
    assert!(soon(enqueued.outcome).await.is_none(), "the outcome is not durable");
    assert_eq!(desk.jobs.health(), Health::Broken("the disk is gone".into()));
    let refused = reason(soon(desk.jobs.enqueue(order())).await);
    assert_eq!(refused, Refusal::store_broken("the disk is gone"));
    assert!(soon(desk.jobs.job(id)).await.is_none());
    soon(desk.jobs.drain()).await;
    // The next process finds what was durable.
    let desk = desk.crash(idempotent(1));
    assert_eq!(desk.engine.nth(0).await.id, id);
}

#[tokio::test]
async fn a_job_that_does_not_become_durable_does_not_reach_its_pool() {
    let desk = Desk::new(idempotent(1));
    desk.store.set_full(true);
    assert_eq!(reason(desk.jobs.enqueue(order()).await), Refusal::StoreFull);
    desk.store.set_broken("no");
    assert!(matches!(
        reason(soon(desk.jobs.enqueue(order())).await),
        Refusal::StoreBroken { .. } | Refusal::StoreFull
    ));
    assert_eq!(desk.engine.count(), 0);
}

#[tokio::test]
async fn more_bytes_than_may_wait_are_refused() {
    let desk = Desk::new(once());
    // The store's thread stands still in its first commit.
    let release = desk.store.stall();
    let large = || {
        let mut order = order();
        order.job = procpool_protocol::engine::Submission::new(
            "fib",
            Payload::raw(vec![0; 40 << 20]),
            Encoding::Json,
        );
        order
    };
    let orders: Vec<_> = (0..6)
        .map(|_| {
            tokio::spawn({
                let (jobs, order) = (desk.jobs.clone(), large());
                async move { jobs.enqueue(order).await.map(|_| ()) }
            })
        })
        .collect();
    // At most one is in the thread and one waits, so that some are refused although nothing moves.
    let mut refused = 0;
    let mut orders: Vec<_> = orders.into_iter().map(Box::pin).collect();
    while refused < 4 {
        let (done, left) = first(orders).await;
        orders = left;
        assert!(matches!(reason(done), Refusal::StoreBusy { waiting, .. } if waiting > 0));
        refused += 1;
    }
    drop(release);
    for order in orders {
        soon(order).await.unwrap().unwrap();
    }
}

type Orders<T> = Vec<std::pin::Pin<Box<tokio::task::JoinHandle<T>>>>;

/// Returns the first that is done, and the others.
async fn first<T>(mut orders: Orders<T>) -> (T, Orders<T>) {
    let done = std::future::poll_fn(|context| {
        for at in 0..orders.len() {
            if let std::task::Poll::Ready(done) = orders[at].as_mut().poll(context) {
                drop(orders.remove(at));
                return std::task::Poll::Ready(done.unwrap());
            }
        }
        std::task::Poll::Pending
    });
    let done = soon(done).await;
    (done, orders)
}
