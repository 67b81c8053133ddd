//! Every bound, just below and just above it.

use crate::client::soon;
use crate::fake::{Fake, Reaction};
use crate::server::{Server, post_text};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const JOBS: &str = "/v1/pools/fib/jobs";
const RAW: &str = "content-type: application/octet-stream";
const SHORT: Duration = Duration::from_millis(100);

fn chunked(body: &str) -> String {
    let half = body.len() / 2;
    let (a, b) = body.split_at(half);
    format!(
        "POST {JOBS} HTTP/1.1\r\nHost: localhost\r\n{RAW}\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n",
        a.len(),
        b.len()
    )
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let engine = Fake::echo();
    let server = Server::with(engine.clone(), |config| config.max_body = 100).await;
    let (fits, too_large) = ("x".repeat(100), "x".repeat(101));
    assert_eq!(server.post_as(JOBS, RAW, &fits).await.text(), fits);
    assert_eq!(server.ask(chunked(&fits)).await.text(), fits);
    assert_eq!(engine.jobs_seen(), 2);
    for request in [post_text(JOBS, RAW, &too_large), chunked(&too_large).into_bytes()] {
        let reply = server.ask(request).await;
        assert_eq!((reply.status, reply.kind().as_str()), (413, "body_too_large"));
        assert_eq!(reply.problem()["limit"], 100);
    }
    assert_eq!(engine.jobs_seen(), 2);
}

#[tokio::test]
async fn a_body_in_many_pieces_arrives_whole() {
    let server = Server::of(Fake::echo()).await;
    let body = "0123456789".repeat(30_000);
    assert_eq!(server.post_as(JOBS, RAW, &body).await.text(), body);
    assert_eq!(server.ask(chunked(&body)).await.text(), body);
}

#[tokio::test]
async fn a_length_that_is_announced_too_large_is_refused_before_it_is_sent() {
    let server = Server::of(Fake::echo()).await;
    let announced = format!(
        "POST {JOBS} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        u64::MAX / 4
    );
    assert_eq!(server.ask(announced).await.status, 413);
}

#[tokio::test]
async fn a_client_that_sends_on_after_its_refusal_still_reads_the_answer() {
    let server = Server::with(Fake::echo(), |config| config.max_body = 10).await;
    // More than the sockets hold between them, so that the server must take it or reset the connection.
    let body = vec![b'x'; 32 * 1024 * 1024];
    let reply = server.post_as(JOBS, RAW, body).await;
    assert_eq!((reply.status, reply.kind().as_str()), (413, "body_too_large"));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_a_408() {
    let engine = Fake::echo();
    let server = Server::with(engine.clone(), |config| config.body_timeout = SHORT).await;
    let mut connection = server.connect().await;
    let partial = format!("POST {JOBS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n4");
    connection.send(partial).await;
    let reply = connection.reply().await;
    assert_eq!((reply.status, reply.kind().as_str()), (408, "body_timeout"));
    assert_eq!(engine.jobs_seen(), 0);
}

#[tokio::test]
async fn silent_and_dribbling_clients_are_closed() {
    let server = Server::with(Fake::echo(), |config| config.header_timeout = SHORT).await;
    for beginning in ["", "P", "PRI * HT", "GET / HTTP/1.1\r\nHos", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut connection = server.connect().await;
        connection.send(beginning).await;
        let rest = connection.rest().await;
        assert!(!rest.contains(" 200 "), "{beginning:?}: {rest}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_asks_nothing_more_is_closed() {
    let server = Server::with(Fake::echo(), |config| config.keep_alive_timeout = SHORT).await;
    let mut connection = server.connect().await;
    assert_eq!(connection.get("/").await.status, 200);
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn a_job_may_take_longer_than_a_header() {
    let release = Arc::new(Notify::new());
    let (started, released) = (Arc::new(Notify::new()), release.clone());
    let starts = started.clone();
    let server = Server::with(
        Fake::new(move |job| {
            starts.notify_one();
            let released = released.clone();
            Reaction::Run(Box::pin(async move {
                released.notified().await;
                Ok(job.input)
            }))
        }),
        |config| config.header_timeout = Duration::from_millis(10),
    )
    .await;
    let mut connection = server.connect().await;
    connection.send(post_text(JOBS, "", "40")).await;
    soon(started.notified()).await;
    // Another client is closed for its silence, at the earliest when this one's time would be up too.
    assert_eq!(server.connect().await.rest().await, "");
    release.notify_one();
    assert_eq!(connection.reply().await.text(), "40");
}

#[tokio::test]
async fn a_kept_connection_may_wait_for_longer_than_a_head_may_take() {
    let server = Server::with(Fake::echo(), |config| config.header_timeout = SHORT).await;
    let mut kept = server.connect().await;
    assert_eq!(kept.get("/").await.status, 200);
    // Two others that were accepted later are closed one after the other for saying nothing.
    for _ in 0..2 {
        assert_eq!(server.connect().await.rest().await, "");
    }
    assert_eq!(kept.get("/").await.status, 200);
    kept.send("GET / HT").await;
    assert_eq!(kept.rest().await, "", "a head that has begun is to end soon");
}

#[tokio::test]
async fn a_head_of_more_than_64_kib_is_refused() {
    let server = Server::of(Fake::echo()).await;
    let long = "x".repeat(128 * 1024);
    let reply = server.ask(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n\r\n")).await;
    assert_eq!(reply.status, 431);
    let fits = "x".repeat(32 * 1024);
    let reply = server.ask(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {fits}\r\n\r\n")).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_body_of_the_largest_length_that_can_be_written_is_too_large_and_not_its_head() {
    for length in [u64::MAX, u64::MAX - 1, u64::MAX - 2] {
        let server = Server::of(Fake::echo()).await;
        let head = format!(
            "POST /v1/pools/fib/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        );
        let mut kept = server.connect().await;
        assert_eq!(kept.get("/").await.status, 200);
        kept.send(head).await;
        assert_eq!(kept.reply().await.status, 413, "{length}");
        assert_eq!(kept.rest().await, "");
    }
}
