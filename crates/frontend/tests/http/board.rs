//! The stream of the server's events, for people who watch it.

use crate::events::{Heard, Source};
use crate::fake::Fake;
use crate::server::Server;
use procpool_frontend::{Scope, Token, TokenDigest, Tokens};
use procpool_protocol::engine::{PoolSample, WorkerSample, WorkerState};
use serde_json::{Value, json};
use std::sync::Arc;

fn watched() -> Arc<Fake> {
    let fake = Fake::echo();
    *fake.samples.lock().unwrap() = vec![PoolSample::new("down"), pool("fib", 7)];
    fake
}

/// A pool with one busy worker of this number.
fn pool(name: &str, number: u64) -> PoolSample {
    let mut sample = PoolSample::new(name);
    let mut worker = WorkerSample::new(number, WorkerState::Busy);
    worker.pid = Some(1234);
    sample.places = vec![Some(worker)];
    sample
}

/// Returns the next event of this name.
async fn next(source: &mut Source, name: &str) -> Heard {
    loop {
        let heard = source.next().await.expect("an event");
        if heard.name == name {
            return heard;
        }
    }
}

fn names(heard: &Heard) -> Vec<String> {
    heard.data["pools"].as_object().expect("pools").keys().cloned().collect()
}

#[tokio::test]
async fn a_viewer_gets_a_snapshot_then_ticks_and_what_is_rare_as_an_event_of_its_own() {
    let engine = watched();
    let server = Server::of(engine.clone()).await;
    let mut source = Source::at(&server, "/v1/events", "").await;
    let snapshot = source.next().await.unwrap();
    assert_eq!((snapshot.name.as_str(), names(&snapshot)), ("snapshot", vec!["down".into(), "fib".into()]));
    assert_eq!(snapshot.data["pools"]["fib"]["new"], json!([[0, 7, 1234, 0, 0]]));

    let tick = next(&mut source, "tick").await;
    assert!(tick.id > snapshot.id, "{tick:?}");
    assert_eq!(
        (&tick.data["pools"]["fib"]["s"], &tick.data["pools"]["fib"]["new"]),
        (&json!("b"), &Value::Null)
    );

    *engine.samples.lock().unwrap() = vec![PoolSample::new("down"), pool("fib", 8)];
    let new = loop {
        let tick = next(&mut source, "tick").await;
        if let Some(new) = tick.data["pools"]["fib"].get("new") {
            break new.clone();
        }
    };
    assert_eq!(new, json!([[0, 8, 1234, 0, 0]]));
    let death = next(&mut source, "death").await.data;
    assert_eq!((&death["worker"], &death["slot"]), (&json!("fib-7"), &json!(0)));

    let drained = server.stop();
    next(&mut source, "bye").await;
    assert!(source.next().await.is_none(), "nothing follows");
    assert_eq!(drained.await.unwrap().cut_off, 0);
}

#[tokio::test]
async fn a_viewer_of_some_pools_sees_those_and_one_that_is_unknown_is_named() {
    let server = Server::of(watched()).await;
    let mut source = Source::at(&server, "/v1/events?pools=fib", "").await;
    assert_eq!(names(&source.next().await.unwrap()), ["fib"]);
    assert_eq!(names(&next(&mut source, "tick").await), ["fib"]);
    let reply = server.get("/v1/events?pools=fib,fob").await;
    assert_eq!(reply.status, 404);
    let detail = reply.json()["detail"].to_string();
    assert!(detail.contains("`fob`") && detail.contains("down, fib"), "{detail}");
}

#[tokio::test]
async fn a_token_of_some_pools_sees_those_and_nothing_that_happens_to_others() {
    let engine = watched();
    let mut reader = Token::new("reader").unwrap();
    reader.digest = Some(TokenDigest::of(b"the-secret-of-reader"));
    reader.scopes = [Scope::Read].into_iter().collect();
    reader.pools = vec!["down".parse().unwrap()];
    let server = Server::with_tokens(engine.clone(), &Tokens::new(vec![reader])).await;
    let head = "Authorization: Bearer the-secret-of-reader\r\n";
    let mut source = Source::at(&server, "/v1/events", head).await;
    assert_eq!(names(&source.next().await.unwrap()), ["down"]);
    *engine.samples.lock().unwrap() = vec![PoolSample::new("down"), pool("fib", 8)];
    for _ in 0..3 {
        let heard = source.next().await.unwrap();
        assert_eq!((heard.name.as_str(), names(&heard)), ("tick", vec!["down".into()]));
    }
}

#[tokio::test]
async fn streams_are_counted_apart_from_connections() {
    let server = Server::with(watched(), |config| config.max_event_streams = 1).await;
    let mut source = Source::at(&server, "/v1/events", "").await;
    source.next().await.unwrap();
    let reply = server.get("/v1/events").await;
    assert_eq!((reply.status, &reply.json()["reason"]), (503, &json!("too_many_streams")));
    assert_eq!(server.get("/v1/pools").await.status, 200);
}
