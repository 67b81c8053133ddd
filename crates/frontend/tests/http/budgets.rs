//! The memory that the server holds for all clients together.

use crate::client::soon;
use crate::fake::Fake;
use crate::frames::{Frames, HEADERS, RST_STREAM};
use crate::lifetimes::{Event, JOBS, holding};
use crate::server::{Server, post_text};
use procpool_protocol::Payload;

const RAW: &str = "content-type: application/octet-stream";
const KIB: usize = 1024;

#[tokio::test]
async fn bodies_that_do_not_end_are_refused_when_all_together_are_too_large() {
    let engine = Fake::echo();
    let server = Server::with(engine.clone(), |config| {
        config.max_body = 16 * KIB;
        config.max_bodies = 16 * KIB as u64;
    })
    .await;
    let mut frames = Frames::to(server.address, 65_535).await;
    for number in 0..40 {
        frames.post_part(2 * number + 1, &[7; KIB]).await;
    }
    // Sixteen of them fit.
    for _ in 16..40 {
        assert!(frames.next_of(HEADERS).await.is_some(), "a refusal");
    }
    let reply = server.post_as(JOBS, RAW, "x").await;
    assert_eq!((reply.status, reply.kind().as_str()), (503, "overloaded"));
    assert_eq!(reply.problem()["reason"], "bodies_full");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(server.get("/livez").await.status, 200);

    frames.send(RST_STREAM, 0, 1, &8_u32.to_be_bytes()).await;
    drop(frames);
    let again = async { while server.post_as(JOBS, RAW, "x").await.status != 200 {} };
    soon(again).await;
    assert_eq!(engine.jobs_seen(), 1);
}

#[tokio::test]
async fn what_is_only_announced_takes_no_room() {
    let server = Server::with(Fake::echo(), |config| {
        config.max_body = 64 * KIB;
        config.max_bodies = 64 * KIB as u64;
    })
    .await;
    let mut announcing = Vec::new();
    for _ in 0..10 {
        let mut connection = server.connect().await;
        let head = format!(
            "POST {JOBS} HTTP/1.1\r\nHost: localhost\r\n{RAW}\r\nContent-Length: {}\r\n\r\n",
            64 * KIB
        );
        connection.send(head).await;
        announcing.push(connection);
    }
    let body = vec![b'x'; 60 * KIB];
    assert_eq!(server.post_as(JOBS, RAW, &body).await.body, body);
}

#[tokio::test]
async fn the_inputs_of_jobs_that_run_count_until_they_end() {
    let (engine, mut events, release) = holding();
    let server = Server::with(engine, |config| {
        config.max_body = 64 * KIB;
        config.max_bodies = 64 * KIB as u64;
    })
    .await;
    let body = vec![b'x'; 40 * KIB];
    let mut first = server.connect().await;
    first.send(post_text(JOBS, RAW, &body)).await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    assert_eq!(server.post_as(JOBS, RAW, &body).await.kind(), "overloaded");
    release.add_permits(1);
    assert_eq!(first.reply().await.status, 200);
    release.add_permits(1);
}

#[tokio::test]
async fn while_answers_are_not_taken_no_further_ones_are_made_and_probes_are_answered() {
    let engine = Fake::ending(|_| Ok(Payload::raw(vec![7; 32 * KIB])));
    let server = Server::with(engine.clone(), |config| config.max_answers = 64 * KIB as u64).await;
    let mut frames = Frames::to(server.address, 0).await;
    for stream in [1, 3] {
        frames.post(stream).await;
        assert_eq!(frames.next_of(HEADERS).await.unwrap().stream, stream);
    }
    let reply = server.post_as(JOBS, RAW, "x").await;
    assert_eq!((reply.status, reply.kind().as_str()), (503, "overloaded"));
    assert_eq!(reply.problem()["reason"], "answers_full");
    assert_eq!(reply.problem()["may_have_run"], false);
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(engine.jobs_seen(), 2);
    assert_eq!(server.get("/livez").await.status, 200);

    frames.send(RST_STREAM, 0, 1, &8_u32.to_be_bytes()).await;
    let again = async { while server.post_as(JOBS, RAW, "x").await.status != 200 {} };
    soon(again).await;
}

#[tokio::test]
async fn an_output_that_has_no_room_is_dropped_and_its_job_may_have_run() {
    let engine = Fake::ending(|_| Ok(Payload::raw(vec![7; 32 * KIB])));
    let server = Server::with(engine, |config| config.max_answers = 16 * KIB as u64).await;
    let reply = server.post_as(JOBS, RAW, "x").await;
    assert_eq!((reply.status, reply.kind().as_str()), (503, "overloaded"));
    assert_eq!(reply.problem()["reason"], "answers_full");
    assert_eq!(reply.problem()["may_have_run"], true);
    assert_eq!(reply.header("retry-after"), None, "whether to run it again is not for the server to say");
    assert!(reply.header("job-id").is_some() && reply.header("server-timing").is_some());
}

#[tokio::test]
async fn the_listeners_of_one_server_have_one_budget() {
    let (engine, mut events, release) = holding();
    let limits = |config: &mut procpool_frontend::HttpConfig| {
        config.max_body = 64 * KIB;
        config.max_bodies = 64 * KIB as u64;
    };
    let [first, second] = Server::twice(engine, limits).await;
    let body = vec![b'x'; 40 * KIB];
    let mut connection = first.connect().await;
    connection.send(post_text(JOBS, RAW, &body)).await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    assert_eq!(second.post_as(JOBS, RAW, &body).await.kind(), "overloaded");
    release.add_permits(1);
    assert_eq!(connection.reply().await.status, 200);
}
