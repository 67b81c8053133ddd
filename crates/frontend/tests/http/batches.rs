//! `POST …/batch`: JSON lines in, outcome lines out, with a bounded number in flight.

use crate::client::{Connection, soon};
use crate::fake::{Fake, Reaction};
use crate::lifetimes::{Event, holding};
use crate::server::{Server, post_text};
use procpool_frontend::OnDisconnect;
use procpool_protocol::engine::Priority;
use procpool_protocol::{Failure, JobError, Payload};
use serde_json::Value;
use std::time::Duration;

pub(crate) const BATCH: &str = "/v1/pools/fib/batch";

/// Returns the outcome lines of a batch that is sent as a whole.
pub(crate) async fn batch(server: &Server, query: &str, body: &str) -> Vec<Value> {
    let mut connection = server.connect().await;
    connection.send(post_text(&format!("{BATCH}{query}"), "", body)).await;
    let head = connection.head().await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("application/x-ndjson")), "{head:?}");
    lines(&connection.chunks().await)
}

pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"))).collect()
}

/// Returns a connection on which a batch has begun, whose lines are still to be sent.
pub(crate) async fn begin(server: &Server, query: &str) -> Connection {
    let mut connection = server.connect().await;
    connection
        .send(format!(
            "POST {BATCH}{query} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        ))
        .await;
    connection
}

/// Waits until the engine has seen this number of jobs.
async fn seen(engine: &Fake, count: usize) {
    soon(async {
        while engine.jobs_seen() < count {
            // sleep: the pause between two looks
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn each_line_has_its_outcome_line_in_order() {
    let server = Server::of(Fake::ending(|job| match &*job.input.bytes {
        b"13" => Err(JobError::Failed(Failure::new("unlucky"))),
        _ => Ok(job.input),
    }))
    .await;
    let body = "1\n{\"a\": [2]}\r\n\n13\n{oops\n\"x\"";
    let outcomes = batch(&server, "", body).await;
    let told: Vec<_> =
        outcomes.iter().map(|it| (it["line"].as_u64().unwrap(), it["outcome"].as_str().unwrap())).collect();
    assert_eq!(told, [(1, "ok"), (2, "ok"), (4, "failed"), (5, "bad_input"), (6, "ok")]);
    assert_eq!(
        (&outcomes[1]["output"], &outcomes[4]["output"]),
        (&serde_json::json!({"a": [2]}), &"x".into())
    );
    assert_eq!(outcomes[2]["problem"]["message"], "unlucky");
    assert_eq!(outcomes[3]["problem"]["type"], "/problems/bad_input");
    assert_eq!(outcomes[3]["problem"]["may_have_run"], false);
}

#[tokio::test]
async fn nothing_is_a_batch_of_no_lines() {
    let server = Server::of(Fake::echo()).await;
    assert_eq!(batch(&server, "", "").await, [] as [Value; 0]);
    assert_eq!(batch(&server, "", "\n \n").await, [] as [Value; 0]);
}

#[tokio::test]
async fn the_parameters_of_a_batch_are_those_of_each_job() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    batch(&server, "?timeout=2s&priority=low&tenant=a", "1\n2").await;
    let seen = engine.seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    for job in &*seen {
        assert_eq!((job.limits.timeout, job.priority), (Some(Duration::from_secs(2)), Priority::Low));
        assert_eq!(job.tenant.as_ref().unwrap().to_string(), "a");
    }
}

#[tokio::test]
async fn a_batch_that_cannot_begin_is_an_ordinary_problem() {
    let server = Server::of(Fake::echo()).await;
    assert_eq!(server.post(&format!("{BATCH}?order=random"), "1").await.kind(), "bad_parameter");
    assert_eq!(server.post(&format!("{BATCH}?usage=true"), "1").await.kind(), "bad_parameter");
    let bytes = server.post_as(BATCH, "content-type: application/octet-stream", "1").await;
    assert_eq!((bytes.status, bytes.kind()), (415, "unsupported_media_type".into()));
    let unknown = server.post("/v1/pools/fob/batch", "1").await;
    assert_eq!((unknown.status, unknown.problem()["reason"].as_str()), (404, Some("unknown_pool")));
    assert_eq!(server.get(BATCH).await.status, 405);
}

#[tokio::test]
async fn a_line_beyond_the_limit_costs_no_other() {
    let server = Server::with(Fake::echo(), |config| config.max_body = 10).await;
    let outcomes = batch(&server, "", "1\n\"123456789\"\n2\n").await;
    assert_eq!(outcomes[1]["problem"]["type"], "/problems/body_too_large");
    assert_eq!((&outcomes[1]["outcome"], &outcomes[2]["output"]), (&"bad_input".into(), &2.into()));
}

#[tokio::test]
async fn refused_lines_say_so_and_the_batch_goes_on() {
    let server = Server::of(Fake::new(|job| match &*job.input.bytes {
        b"1" => Reaction::Refuse(JobError::shut_down(procpool_protocol::Stage::Queued)),
        _ => Reaction::Run(Box::pin(async { Ok(job.input) })),
    }))
    .await;
    let outcomes = batch(&server, "", "1\n2").await;
    assert_eq!((&outcomes[0]["outcome"], &outcomes[1]["outcome"]), (&"shut_down".into(), &"ok".into()));
}

#[tokio::test]
async fn outcomes_come_while_lines_are_still_being_sent() {
    let server = Server::of(Fake::echo()).await;
    let mut connection = begin(&server, "").await;
    connection.send_chunk("1\n2").await;
    connection.head().await;
    assert_eq!(lines(&connection.chunk().await.unwrap())[0]["output"], 1);
    connection.send_chunk("3\n").await;
    assert_eq!(lines(&connection.chunk().await.unwrap())[0]["output"], 23);
    connection.send("0\r\n\r\n").await;
    assert_eq!(connection.chunk().await, None);
    assert_eq!(connection.get("/livez").await.status, 200, "the connection is kept");
}

#[tokio::test]
async fn without_an_order_a_long_line_holds_up_no_other() {
    let engine = Fake::new(|job| match &*job.input.bytes {
        b"1" => Reaction::Run(Box::pin(std::future::pending())),
        _ => Reaction::Run(Box::pin(async { Ok(job.input) })),
    });
    let server = Server::of(engine).await;
    let mut connection = begin(&server, "?order=none").await;
    connection.send_chunk("1\n2\n").await;
    connection.head().await;
    assert_eq!(lines(&connection.chunk().await.unwrap())[0]["line"], 2);
}

#[tokio::test]
async fn few_lines_are_in_flight_and_the_rest_of_the_request_is_left_unread() {
    let engine = Fake::new(|_| Reaction::Run(Box::pin(std::future::pending())));
    let server = Server::of(engine.clone()).await;
    let connection = server.connect().await;
    let mut stream = connection.into_stream();
    let head = format!("POST {BATCH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n");
    let sends_all = async {
        use tokio::io::AsyncWriteExt;
        stream.write_all(head.as_bytes()).await.unwrap();
        let block = "7\n".repeat(500_000);
        for _ in 0..50 {
            stream.write_all(block.as_bytes()).await.unwrap();
        }
    };
    let stalls = async {
        seen(&engine, 16).await;
        // The kernel's buffers fill meanwhile; a batch that read on would take all 50 million lines.
        // sleep: the time in which a batch that reads on would read on
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    tokio::select! {
        () = sends_all => panic!("all of it was read"),
        () = stalls => {}
    }
    assert_eq!(engine.jobs_seen(), 16);
}

#[tokio::test]
async fn a_client_that_takes_nothing_stalls_its_batch_and_is_given_up() {
    let output = Payload::json(format!("\"{}\"", "x".repeat(100_000)));
    let engine = Fake::ending(move |_| Ok(output.clone()));
    let server = Server::with(engine.clone(), |config| config.write_timeout = Duration::from_secs(1)).await;
    let mut connection = server.connect().await;
    connection.send(post_text(BATCH, "", "1\n".repeat(100_000))).await;
    let stream = connection.into_stream();
    let ended = tokio::io::Interest::PRIORITY.add(tokio::io::Interest::ERROR);
    soon(stream.ready(ended)).await.unwrap();
    let seen = engine.jobs_seen();
    assert!(seen < 1000, "{seen} lines were run for a client that takes nothing");
}

#[tokio::test]
async fn a_batch_without_outcomes_for_a_while_is_not_given_up() {
    let (engine, _events, release) = holding();
    let server = Server::with(engine.clone(), |config| {
        config.write_timeout = Duration::from_millis(50);
        config.body_timeout = Duration::from_millis(50);
    })
    .await;
    let mut connection = begin(&server, "").await;
    connection.send_chunk("1\n").await;
    connection.head().await;
    // sleep: longer than both patiences, which must not count
    tokio::time::sleep(Duration::from_millis(300)).await;
    release.add_permits(1);
    assert_eq!(lines(&connection.chunk().await.unwrap())[0]["outcome"], "ok");
}

#[tokio::test]
async fn a_client_that_sends_nothing_and_waits_for_nothing_is_given_up() {
    let server = Server::with(Fake::echo(), |config| config.body_timeout = Duration::from_millis(100)).await;
    let mut connection = begin(&server, "").await;
    connection.send_chunk("1\n\n2").await;
    connection.head().await;
    let outcomes = lines(&connection.chunks().await);
    assert_eq!((&outcomes[0]["outcome"], &outcomes[1]["outcome"]), (&"ok".into(), &"refused".into()));
    assert_eq!((&outcomes[1]["line"], outcomes.len()), (&3.into(), 2));
    assert_eq!(outcomes[1]["problem"]["type"], "/problems/body_timeout");
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_its_lines() {
    for closes_sending_first in [false, true] {
        let (engine, mut events, _release) = holding();
        let server = Server::of(engine).await;
        let mut connection = server.connect().await;
        connection.send(post_text(BATCH, "", "40")).await;
        connection.head().await;
        assert_eq!(soon(events.recv()).await, Some(Event::Started));
        if closes_sending_first {
            connection.finish_sending().await;
            assert_eq!(connection.byte().await, b'0', "so far it is there");
        }
        drop(connection);
        assert_eq!(soon(events.recv()).await, Some(Event::Dropped));
    }
}

#[tokio::test]
async fn lines_in_flight_go_on_without_their_client_where_the_server_says_so() {
    let (engine, mut events, release) = holding();
    let server = Server::with(engine, |config| {
        (config.on_disconnect, config.max_live_answers) = (OnDisconnect::Detach, 1);
    })
    .await;
    let mut connection = server.connect().await;
    connection.send(post_text(BATCH, "", "40")).await;
    connection.head().await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    connection.reset();
    let is_gone = async { while server.post(BATCH, "").await.status != 200 {} };
    soon(is_gone).await;
    release.add_permits(1);
    assert_eq!(soon(events.recv()).await, Some(Event::Finished));
}

#[tokio::test]
async fn a_client_that_is_done_sending_gets_all_outcomes() {
    let (engine, mut events, release) = holding();
    let server = Server::of(engine).await;
    let mut connection = server.connect().await;
    connection.send(post_text(BATCH, "", "40\n41")).await;
    connection.finish_sending().await;
    connection.head().await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    assert_eq!(
        connection.byte().await,
        b'0',
        "a chunk's length begins with zeros while the client may be gone"
    );
    release.add_permits(2);
    let outcomes = lines(&connection.chunks().await);
    assert_eq!((outcomes.len(), &outcomes[1]["output"]), (2, &41.into()));
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn a_drain_lets_running_lines_end_and_refuses_those_that_have_arrived() {
    let (engine, mut events, release) = holding();
    let server = Server::with(engine.clone(), |config| config.batch_window = 2).await;
    let mut connection = begin(&server, "").await;
    connection.send_chunk("1\n2\n3\n4\n5").await;
    connection.head().await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    let running = server.stop();
    release.add_permits(2);
    let outcomes = lines(&connection.chunks().await);
    let told: Vec<_> = outcomes.iter().map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(told, ["ok", "ok", "refused", "refused"], "line 5 has no end yet");
    assert_eq!(outcomes[3]["problem"]["reason"], "shutting_down");
    drop(connection);
    assert_eq!(soon(running).await.unwrap().cut_off, 0);
    assert_eq!(engine.jobs_seen(), 2);
}

#[tokio::test]
async fn batches_beyond_the_limit_are_refused_until_one_ends() {
    let server = Server::with(Fake::echo(), |config| config.max_live_answers = 1).await;
    let mut connection = begin(&server, "").await;
    connection.send_chunk("1\n").await;
    connection.head().await;
    let refused = server.post(BATCH, "2").await;
    assert_eq!((refused.status, refused.kind()), (503, "refused".into()));
    assert_eq!(refused.problem()["reason"], "too_many_streams");
    assert!(refused.header("retry-after").is_some());
    connection.send("0\r\n\r\n").await;
    connection.chunks().await;
    assert_eq!(batch(&server, "", "2").await.len(), 1);
}

#[tokio::test]
async fn a_batch_waits_while_the_server_holds_what_it_may() {
    let (engine, mut events, release) = holding();
    let server = Server::with(engine.clone(), |config| {
        (config.max_body, config.max_bodies) = (1000, 1000);
    })
    .await;
    // A job whose input takes all of it.
    let mut other = server.connect().await;
    let input = format!("\"{}\"", "x".repeat(998));
    other.send("POST /v1/pools/fib/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n").await;
    other.send(&input[..500]).await;
    // sleep: so that the body comes in two pieces
    tokio::time::sleep(Duration::from_millis(50)).await;
    other.send(&input[500..]).await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    let mut connection = begin(&server, "").await;
    connection.send_chunk("1\n2\n").await;
    connection.head().await;
    // sleep: the time in which a batch that does not wait would go on
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(engine.jobs_seen(), 1, "the batch waits");
    release.add_permits(3);
    assert_eq!(other.reply().await.status, 200);
    // It holds the input, too.
    engine.seen.lock().unwrap().clear();
    connection.send("0\r\n\r\n").await;
    assert_eq!(lines(&connection.chunks().await).len(), 2);
}

#[tokio::test]
async fn http_2_takes_batches_too() {
    use http_body_util::{BodyExt, Full};
    let server = Server::of(Fake::echo()).await;
    let (mut client, _ended) = server.http2().await;
    let uri = format!("http://{}{BATCH}", server.address);
    let request = http::Request::post(uri).body(Full::from("1\n2\n")).unwrap();
    let answer = soon(client.send_request(request)).await.unwrap();
    let body = soon(answer.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(lines(std::str::from_utf8(&body).unwrap()).len(), 2);
}

#[tokio::test]
async fn a_batch_that_is_cut_at_any_byte_leaves_nothing_behind() {
    let server = Server::with(Fake::echo(), |config| config.max_live_answers = 1).await;
    let request = post_text(BATCH, "", "1\n{\n\n22\n\"x\"\n");
    let free = async || {
        let is_free = async { while server.post(BATCH, "2").await.status != 200 {} };
        soon(is_free).await;
    };
    for length in 0..request.len() {
        let mut connection = server.connect().await;
        connection.send(&request[..length]).await;
        if length % 2 == 0 {
            connection.reset();
        }
    }
    free().await;
    for length in 0..300 {
        let mut connection = server.connect().await;
        connection.send(&request).await;
        connection.up_to(length).await;
        drop(connection);
        free().await;
    }
}

#[tokio::test]
async fn a_key_of_the_whole_batch_and_an_empty_prefix_are_refused() {
    let server = Server::of(Fake::echo()).await;
    let path = "/v1/pools/fib/batch";
    let key = server.post_as(path, "Idempotency-Key: k", "1\n").await;
    assert_eq!((key.status, key.kind().as_str()), (400, "bad_parameter"));
    assert!(key.problem()["detail"].as_str().unwrap().contains("key_prefix"), "{key:?}");
    assert_eq!(server.post(&format!("{path}?key_prefix="), "1\n").await.status, 400);
}
