//! A token's part of the server: refused beyond it with the draft's fields, and given back when jobs end.

use crate::async_jobs::{ask, waiting};
use crate::client::{Connection, soon};
use crate::fake::Fake;
use crate::lifetimes::{Event, JOBS, holding};
use crate::server::{Server, post_text};
use procpool_frontend::{OnDisconnect, Quota, Scopes, Token, TokenDigest, Tokens};
use procpool_protocol::Payload;
use serde_json::json;
use std::num::NonZeroU32;

const CI: &str = "Authorization: Bearer the-secret-of-ci";
const OTHER: &str = "Authorization: Bearer the-secret-of-other";

fn token(name: &str, change: impl FnOnce(&mut Quota)) -> Token {
    let mut token = Token::new(name).unwrap();
    token.digest = Some(TokenDigest::of(format!("the-secret-of-{name}").as_bytes()));
    token.scopes = Scopes::ALL;
    change(&mut token.quota);
    token
}

fn at_most(jobs: u32) -> Vec<Token> {
    vec![token("ci", |quota| quota.max_jobs = NonZeroU32::new(jobs)), token("other", |_| {})]
}

async fn busy(server: &Server, events: &mut tokio::sync::mpsc::UnboundedReceiver<Event>) -> Connection {
    let mut connection = server.connect().await;
    connection.send(post_text(JOBS, CI, "40")).await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    connection
}

#[tokio::test]
async fn a_token_has_as_many_jobs_as_its_quota_and_others_have_theirs() {
    let (engine, mut events, release) = holding();
    let tokens = Tokens::new(at_most(2));
    let server = Server::with_tokens(engine.clone(), &tokens).await;
    let (mut first, second) = (busy(&server, &mut events).await, busy(&server, &mut events).await);
    let refused = server.post_as(JOBS, CI, "40").await;
    assert_eq!((refused.status, refused.kind().as_str()), (429, "refused"));
    let problem = refused.problem();
    assert_eq!((&problem["reason"], &problem["limit"]), (&json!("quota_exceeded"), &json!(2)));
    assert_eq!((&problem["violated-policies"], &problem["may_have_run"]), (&json!(["jobs"]), &json!(false)));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("ratelimit-policy"), Some(r#""jobs";q=2;qu="concurrent-requests""#));
    assert_eq!(refused.header("ratelimit"), Some(r#""jobs";r=0"#));
    assert_eq!(engine.jobs_seen(), 2);
    // It still sees what runs.
    let status = format!("GET /v1/pools HTTP/1.1\r\nHost: localhost\r\n{CI}\r\n\r\n");
    assert_eq!(server.ask(status).await.header("ratelimit"), None);

    let mut other = server.connect().await;
    other.send(post_text(JOBS, OTHER, "40")).await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    // Running jobs count on when the file is read again.
    tokens.replace(at_most(2));
    assert_eq!(server.post_as(JOBS, CI, "40").await.status, 429);

    release.add_permits(3);
    let answer = first.reply().await;
    assert_eq!((answer.status, answer.header("ratelimit")), (200, Some(r#""jobs";r=1"#)));
    assert_eq!(other.reply().await.header("ratelimit"), None, "a token without a quota");
    drop(second);
    release.add_permits(100);
    let again = async { while server.post_as(JOBS, CI, "40").await.status != 200 {} };
    soon(again).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_gives_its_part_back() {
    let (engine, mut events, release) = holding();
    let server = Server::with_tokens(engine, &Tokens::new(at_most(1))).await;
    busy(&server, &mut events).await.reset();
    release.add_permits(100);
    let again = async { while server.post_as(JOBS, CI, "40").await.status != 200 {} };
    soon(again).await;
}

#[tokio::test]
async fn a_token_sends_as_many_jobs_a_second_as_its_quota_and_is_told_when_to_come_back() {
    let slow = |quota: &mut Quota| {
        quota.jobs_per_second = NonZeroU32::new(1);
        quota.burst = NonZeroU32::new(3);
    };
    let engine = Fake::echo();
    let server = Server::with_tokens(engine.clone(), &Tokens::new(vec![token("ci", slow)])).await;
    let first = server.post_as(JOBS, CI, "1").await;
    assert_eq!(first.header("ratelimit-policy"), Some(r#""rate";q=3;w=3"#));
    assert_eq!(first.header("ratelimit"), Some(r#""rate";r=2;t=1"#));
    // Requests that are no jobs, as they are malformed, count too.
    let mut refused = server.post_as(JOBS, CI, "{").await;
    while refused.status == 400 {
        refused = server.post_as(JOBS, CI, "{").await;
    }
    assert_eq!((refused.status, &refused.problem()["reason"]), (429, &json!("quota_exceeded")));
    assert_eq!(
        (&refused.problem()["violated-policies"], refused.header("retry-after")),
        (&json!(["rate"]), Some("1"))
    );
}

#[tokio::test]
async fn a_job_that_outlives_its_request_counts_until_its_end() {
    let (engine, mut ends) = waiting();
    let server = Server::with_tokens(engine, &Tokens::new(at_most(1))).await;
    let asynchronous = format!("{CI}\r\nPrefer: respond-async");
    assert_eq!(server.post_as(JOBS, &asynchronous, "40").await.status, 202);
    assert_eq!(
        server.post_as(JOBS, &asynchronous, "40").await.status,
        429,
        "its request has ended, and it has not"
    );
    ends.recv().await.unwrap().send(Ok(Payload::json("102334155"))).unwrap();
    let again = async { while server.post_as(JOBS, &asynchronous, "40").await.status != 202 {} };
    soon(again).await;
}

#[tokio::test]
async fn what_other_pools_have_is_not_there_for_a_token_of_some_pools() {
    let (engine, mut ends) = waiting();
    let mut tokens = at_most(9);
    tokens[1].pools = vec!["ping".parse().unwrap()];
    let server = Server::with_tokens(engine, &Tokens::new(tokens)).await;
    let accepted = server.post_as(JOBS, &format!("{CI}\r\nPrefer: respond-async"), "40").await;
    let path = accepted.header("location").unwrap().to_owned();
    for (method, path) in [
        ("GET", path.clone()),
        ("GET", format!("{path}/result")),
        ("GET", format!("{path}/events")),
        ("DELETE", path.clone()),
        ("POST", format!("{path}/rerun")),
    ] {
        let refused = ask(&server, method, &path, &format!("{OTHER}\r\n")).await;
        assert_eq!((refused.status, refused.kind().as_str()), (404, "unknown_job"), "{method} {path}");
    }
    let seen =
        async |token| ask(&server, "GET", "/v1/jobs", &format!("{token}\r\n")).await.json()["jobs"].clone();
    assert_eq!(seen(OTHER).await, json!([]));
    assert_eq!(seen(CI).await.as_array().unwrap().len(), 1);
    let cancel = r#"{"filter":{}}"#;
    let cancelled = server
        .post_as("/v1/jobs/cancel", &format!("{OTHER}\r\nContent-Type: application/json"), cancel)
        .await;
    assert_eq!((cancelled.status, &cancelled.json()["matched"]), (200, &json!(0)), "{cancelled:?}");
    let worker = ask(&server, "DELETE", "/v1/workers/fib-0", &format!("{OTHER}\r\n")).await;
    assert_eq!((worker.status, worker.kind().as_str()), (404, "unknown_worker"));
    ends.recv().await.unwrap().send(Ok(Payload::json("102334155"))).unwrap();
}

#[tokio::test]
async fn each_line_of_a_batch_counts_and_a_batch_waits_for_its_part() {
    let (engine, mut events, release) = holding();
    let server = Server::with_tokens(engine.clone(), &Tokens::new(at_most(2))).await;
    let mut batch = server.connect().await;
    batch.send(post_text("/v1/pools/fib/batch?order=none", CI, "1\n2\n3\n4\n5\n")).await;
    assert_eq!(batch.head().await.status, 200);
    for _ in 0..2 {
        assert_eq!(soon(events.recv()).await, Some(Event::Started));
    }
    assert_eq!(server.post_as(JOBS, CI, "40").await.status, 429, "its lines are all that the token may have");
    assert_eq!(engine.jobs_seen(), 2);
    release.add_permits(5);
    let outcomes = batch.chunks().await;
    assert_eq!(outcomes.matches(r#""outcome":"ok""#).count(), 5, "no line is refused: {outcomes}");
    let again = async {
        release.add_permits(1);
        while server.post_as(JOBS, CI, "40").await.status != 200 {}
    };
    soon(again).await;
}

#[tokio::test]
async fn a_job_that_is_read_as_it_runs_counts_until_its_end() {
    let (engine, mut events, release) = holding();
    let server = Server::with_tokens(engine, &Tokens::new(at_most(1))).await;
    let mut reader = server.connect().await;
    reader.send(post_text(JOBS, &format!("{CI}\r\nAccept: application/x-ndjson"), "40")).await;
    assert_eq!(reader.head().await.status, 200);
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    assert_eq!(server.post_as(JOBS, CI, "40").await.status, 429);
    release.add_permits(2);
    reader.chunks().await;
    let again = async { while server.post_as(JOBS, CI, "40").await.status != 200 {} };
    soon(again).await;
}

#[tokio::test]
async fn a_job_that_goes_on_without_its_client_counts_until_its_end() {
    let (engine, mut events, release) = holding();
    let change = |config: &mut procpool_frontend::HttpConfig| config.on_disconnect = OnDisconnect::Detach;
    let server = Server::with_tokens_and(engine, &Tokens::new(at_most(1)), change).await;
    busy(&server, &mut events).await.reset();
    for _ in 0..5 {
        assert_eq!(server.post_as(JOBS, CI, "40").await.status, 429, "its client has gone, and it has not");
    }
    release.add_permits(100);
    let again = async { while server.post_as(JOBS, CI, "40").await.status != 200 {} };
    soon(again).await;
}
