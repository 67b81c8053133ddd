//! Batches with keys: each line runs once, however often its batch is sent.

use crate::batches::{BATCH, batch, begin, lines};
use crate::client::soon;
use crate::fake::{Fake, Reaction};
use crate::lifetimes::{Event, holding};
use crate::server::Server;
use procpool_protocol::outcome::{Refusal, Refused};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[tokio::test]
async fn lines_with_keys_run_once_however_often_their_batch_is_sent() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let first = batch(&server, "?key_prefix=a.jsonl", "1\n\n2\n").await;
    assert_eq!(batch(&server, "?key_prefix=a.jsonl", "1\n\n2\n3\n").await[..2], first);
    assert_eq!(engine.jobs_seen(), 3, "only line 4 is new");
    let other = batch(&server, "?key_prefix=a.jsonl&order=none", "7\n\n2\n").await;
    let mut told: Vec<_> = other.iter().map(|it| (it["line"].as_u64(), it["outcome"].as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, [(Some(1), Some("refused")), (Some(3), Some("ok"))]);
    let mismatch = other.iter().find(|it| it["line"] == 1).unwrap();
    assert_eq!(mismatch["problem"]["type"], "/problems/idempotency_mismatch");
    assert_eq!(engine.jobs_seen(), 3);
}

#[tokio::test]
async fn lines_with_keys_go_on_without_their_client_and_are_found_again() {
    let (engine, mut events, release) = holding();
    let server = Server::of(engine.clone()).await;
    for ends in [false, true] {
        let mut connection = begin(&server, "?key_prefix=a").await;
        connection.send_chunk("40\n").await;
        connection.head().await;
        if ends {
            release.add_permits(1);
            assert_eq!(lines(&connection.chunk().await.unwrap())[0]["output"], 40);
        } else {
            assert_eq!(soon(events.recv()).await, Some(Event::Started));
        }
    }
    assert_eq!(soon(events.recv()).await, Some(Event::Finished));
    assert_eq!(engine.jobs_seen(), 1);
}

#[tokio::test]
async fn a_line_with_a_key_waits_while_the_queue_is_full() {
    let offers = AtomicUsize::new(0);
    let server = Server::of(Fake::new(move |job| match offers.fetch_add(1, Relaxed) {
        0..3 => Reaction::Refuse(Refused::new("fib", Refusal::queue_full(1)).into()),
        _ => Reaction::Run(Box::pin(async { Ok(job.input) })),
    }))
    .await;
    let outcomes = batch(&server, "?key_prefix=a", "1\n2\n").await;
    assert!(outcomes.iter().all(|it| it["outcome"] == "ok"), "{outcomes:?}");
}

#[tokio::test]
async fn a_prefix_that_makes_no_key_is_refused() {
    let server = Server::of(Fake::echo()).await;
    for prefix in ["a%20b", "%22a", &"x".repeat(235)] {
        let refused = server.post(&format!("{BATCH}?key_prefix={prefix}"), "1").await;
        assert_eq!((refused.status, refused.problem()["parameter"].as_str()), (400, Some("key_prefix")));
    }
}
