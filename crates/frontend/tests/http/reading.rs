//! `POST …/jobs` read as the job runs: server-sent events, JSON lines, raw chunks.

use crate::client::{Connection, Reply, soon};
use crate::fake::{Fake, Reaction};
use crate::lifetimes::{Event, JOBS, holding};
use crate::server::{Server, post_text};
use procpool_protocol::engine::JobEvent;
use procpool_protocol::message::Progress;
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::{Failure, JobError, Payload};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

const EVENTS: &str = "Accept: text/event-stream";
const LINES: &str = "Accept: application/x-ndjson";
const RAW: &str = "Accept: application/octet-stream";

/// A job that is being read, and the test's end of it.
struct Read {
    connection: Connection,
    job: mpsc::UnboundedSender<JobEvent>,
    release: Arc<Semaphore>,
    seen: mpsc::UnboundedReceiver<Event>,
    server: Server,
}

impl Read {
    async fn begin(headers: &str) -> Self {
        let (engine, seen, release) = holding();
        let job = engine.reporting_events();
        let server = Server::of(engine).await;
        let mut connection = server.connect().await;
        connection.send(post_text(JOBS, headers, "40")).await;
        Self { connection, job, release, seen, server }
    }

    fn tell(&self, event: JobEvent) {
        self.job.send(event).unwrap();
    }

    /// Ends the events and the job. Returns what is left of it.
    fn end(self) -> (Connection, mpsc::UnboundedReceiver<Event>, Server) {
        self.release.add_permits(1);
        (self.connection, self.seen, self.server)
    }

    async fn head(&mut self) -> Reply {
        let head = self.connection.head().await;
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(head.header("cache-control"), Some("no-cache, no-transform"));
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        assert_eq!(head.header("job-id").map(str::len), Some(32));
        head
    }
}

fn progress(done: u64) -> JobEvent {
    JobEvent::Progress(Progress { done, total: Some(9) })
}

fn chunk(text: &'static str) -> JobEvent {
    JobEvent::Chunk(Payload::raw(text))
}

fn lines(text: &str) -> Vec<(String, Value)> {
    let parse = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
        (event["event"].as_str().unwrap().to_owned(), event["data"].clone())
    };
    text.lines().map(parse).collect()
}

#[tokio::test]
async fn the_events_of_a_job_come_as_lines_while_it_runs() {
    let mut read = Read::begin(LINES).await;
    assert_eq!(read.head().await.header("content-type"), Some("application/x-ndjson"));
    let queued = json!({"state": "queued", "attempt": 0, "worker": null});
    assert_eq!(lines(&read.connection.chunk().await.unwrap()), [("state".into(), queued)]);
    read.tell(JobEvent::started(1, "fib-7"));
    let running = json!({"state": "running", "attempt": 1, "worker": "fib-7"});
    assert_eq!(lines(&read.connection.chunk().await.unwrap()), [("state".into(), running)]);
    read.tell(progress(3));
    read.tell(JobEvent::Chunk(Payload::json("[1,\n2]")));
    read.tell(chunk("a"));
    let (mut connection, mut seen, _server) = read.end();
    let told = lines(&connection.chunks().await);
    assert_eq!(told[0], ("progress".into(), json!({"done": 3, "total": 9})));
    assert_eq!(told[1], ("chunk".into(), json!({"json": [1, 2]})));
    assert_eq!(told[2].1["base64"], "YQ==");
    assert_eq!(told[3], ("outcome".into(), json!({"outcome": "ok", "may_have_run": true, "output": 40})));
    assert_eq!(
        (soon(seen.recv()).await, soon(seen.recv()).await),
        (Some(Event::Started), Some(Event::Finished))
    );
    assert_eq!(connection.get("/livez").await.status, 200, "the connection is kept");
}

#[tokio::test]
async fn the_events_of_a_job_come_as_server_sent_events() {
    let mut read = Read::begin(EVENTS).await;
    assert_eq!(read.head().await.header("content-type"), Some("text/event-stream"));
    read.tell(progress(1));
    let (mut connection, _seen, _server) = read.end();
    let text = connection.chunks().await;
    let events: Vec<_> = text.split_terminator("\n\n").collect();
    assert_eq!(events[0], "event: state\ndata: {\"state\":\"queued\",\"attempt\":0,\"worker\":null}");
    assert_eq!(events[1], "event: progress\ndata: {\"done\":1,\"total\":9}");
    assert_eq!(events[2], "event: outcome\ndata: {\"outcome\":\"ok\",\"may_have_run\":true,\"output\":40}");
    assert_eq!(events.len(), 3);
}

#[tokio::test]
async fn a_job_that_fails_says_so_in_its_last_event() {
    let server = Server::of(Fake::ending(|_| Err(JobError::Failed(Failure::new("unlucky"))))).await;
    let mut connection = server.connect().await;
    connection.send(post_text(JOBS, LINES, "40")).await;
    assert_eq!(connection.head().await.status, 200);
    let (name, outcome) = lines(&connection.chunks().await).pop().unwrap();
    assert_eq!(
        (name.as_str(), &outcome["outcome"], &outcome["may_have_run"]),
        ("outcome", &"failed".into(), &true.into())
    );
    assert_eq!(outcome["problem"]["message"], "unlucky");
}

#[tokio::test]
async fn a_job_that_is_not_accepted_is_an_ordinary_problem() {
    let refused = || JobError::from(Refused::new("fib", Refusal::queue_full(1)));
    let server = Server::of(Fake::new(move |_| Reaction::Refuse(refused()))).await;
    for accept in [EVENTS, LINES, RAW] {
        let reply = server.post_as(JOBS, accept, "40").await;
        assert_eq!((reply.status, reply.problem()["reason"].as_str()), (503, Some("queue_full")), "{accept}");
    }
}

#[tokio::test]
async fn raw_chunks_are_the_answer_and_its_trailer_says_that_it_is_whole() {
    let mut read = Read::begin(&format!("{RAW}\r\nTE: trailers")).await;
    read.tell(progress(1));
    read.tell(chunk("ab"));
    let head = read.head().await;
    assert_eq!(head.header("content-type"), Some("application/octet-stream"));
    assert_eq!(head.header("trailer"), Some("Procpool-Outcome, Server-Timing"));
    assert_eq!(read.connection.chunk().await.as_deref(), Some("ab"));
    read.tell(chunk("cd"));
    assert_eq!(read.connection.chunk().await.as_deref(), Some("cd"));
    let (mut connection, _seen, _server) = read.end();
    assert_eq!(connection.next_line().await.as_deref(), Some("0\r"));
    let mut trailers = [connection.next_line().await.unwrap(), connection.next_line().await.unwrap()];
    trailers.sort_unstable();
    assert_eq!(trailers[0], "procpool-outcome: ok\r");
    assert!(trailers[1].starts_with("server-timing: wait;dur="), "{trailers:?}");
    assert_eq!(connection.next_line().await.as_deref(), Some("\r"));
    assert_eq!(connection.get("/livez").await.status, 200, "the connection is kept");
}

#[tokio::test]
async fn raw_chunks_end_as_others_do_for_a_client_that_takes_no_trailers() {
    let mut read = Read::begin(RAW).await;
    read.tell(chunk("ab"));
    read.head().await;
    let (mut connection, _seen, _server) = read.end();
    assert_eq!(connection.chunks().await, "ab");
    assert_eq!(connection.get("/livez").await.status, 200);
}

/// Returns an engine whose job emits this chunk and then fails.
fn failing(first: JobEvent) -> Arc<Fake> {
    let engine = Fake::ending(|_| Err(JobError::Failed(Failure::new("unlucky"))));
    engine.reporting_events().send(first).unwrap();
    engine
}

#[tokio::test]
async fn raw_chunks_of_a_job_that_fails_break_off() {
    let server = Server::of(failing(chunk("ab"))).await;
    let mut connection = server.connect().await;
    connection.send(post_text(JOBS, &format!("{RAW}\r\nTE: trailers"), "40")).await;
    assert_eq!(connection.head().await.status, 200);
    assert_eq!(connection.rest().await, "2\r\nab\r\n", "there is no last chunk");
}

#[tokio::test]
async fn raw_chunks_of_a_job_that_fails_reset_their_http_2_stream() {
    use http_body_util::{BodyExt, Full};
    let server = Server::of(failing(chunk("ab"))).await;
    let (mut client, _ended) = server.http2().await;
    let request = || {
        let request = http::Request::post(format!("http://{}{JOBS}", server.address));
        request.header("accept", "application/octet-stream").body(Full::from("40")).unwrap()
    };
    let answer = soon(client.send_request(request())).await.unwrap();
    assert_eq!(answer.status(), 200);
    let error = soon(answer.into_body().collect()).await.expect_err("it breaks off");
    assert!(format!("{error:?}").contains("INTERNAL_ERROR"), "{error:?}");
    assert_eq!(soon(client.send_request(request())).await.unwrap().status(), 422, "the connection is kept");
}

#[tokio::test]
async fn a_job_without_raw_chunks_is_answered_as_ever() {
    let server = Server::of(Fake::echo()).await;
    let reply = server.post_as(JOBS, RAW, "40").await;
    assert_eq!((reply.text(), reply.header("content-type")), ("40", Some("application/json")));
    let server = Server::of(Fake::ending(|_| Err(JobError::Failed(Failure::new("unlucky"))))).await;
    assert_eq!(server.post_as(JOBS, RAW, "40").await.kind(), "failed");
}

#[tokio::test]
async fn chunks_that_are_not_raw_are_refused_as_such_and_their_job_is_cancelled() {
    let Read { mut connection, job, server: _server, .. } = Read::begin(RAW).await;
    job.send(JobEvent::Chunk(Payload::json("1"))).unwrap();
    let reply = connection.reply().await;
    assert_eq!((reply.status, reply.kind()), (406, "not_acceptable".into()));
    assert_eq!(reply.problem()["may_have_run"], true);
    soon(job.closed()).await;
}

#[tokio::test]
async fn a_reader_that_hangs_up_cancels_its_job() {
    for headers in [EVENTS, RAW] {
        let mut read = Read::begin(headers).await;
        read.tell(chunk("a"));
        read.head().await;
        read.connection.chunk().await;
        let Read { connection, job, .. } = read;
        drop(connection);
        soon(job.closed()).await;
    }
}

#[tokio::test]
async fn a_drain_says_goodbye_and_lets_the_job_end() {
    let mut read = Read::begin(LINES).await;
    read.head().await;
    read.connection.chunk().await;
    let Read { mut connection, job, release, server, .. } = read;
    let running = server.stop();
    assert_eq!(lines(&connection.chunk().await.unwrap()), [("bye".into(), json!({}))]);
    release.add_permits(1);
    drop(job);
    assert_eq!(lines(&connection.chunks().await)[0].0, "outcome");
    drop(connection);
    assert_eq!(soon(running).await.unwrap().cut_off, 0);
}

#[tokio::test]
async fn readers_beyond_the_limit_are_refused() {
    let (engine, _seen, _release) = holding();
    let server = Server::with(engine, |config| config.max_live_answers = 1).await;
    let mut connection = server.connect().await;
    connection.send(post_text(JOBS, EVENTS, "40")).await;
    assert_eq!(connection.head().await.status, 200);
    let refused = server.post_as(JOBS, LINES, "40").await;
    assert_eq!((refused.status, refused.problem()["reason"].as_str()), (503, Some("too_many_streams")));
    assert_eq!(refused.problem()["may_have_run"], false);
}

#[tokio::test]
async fn the_events_of_a_job_that_outlives_its_request_are_elsewhere() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let reply = server.post_as(JOBS, &format!("{EVENTS}\r\nIdempotency-Key: a"), "40").await;
    assert_eq!((reply.status, reply.kind(), engine.jobs_seen()), (406, "not_acceptable".into(), 0));
    let raw = server.post_as(JOBS, &format!("{RAW}\r\nIdempotency-Key: a"), "40").await;
    assert_eq!(raw.text(), "40");
}

#[tokio::test]
async fn a_job_that_says_nothing_for_long_keeps_its_reader() {
    let (engine, _seen, release) = holding();
    let job = engine.reporting_events();
    let server = Server::with(engine, |config| config.write_timeout = Duration::from_millis(50)).await;
    let mut connection = server.connect().await;
    connection.send(post_text(JOBS, LINES, "40")).await;
    connection.head().await;
    connection.chunk().await;
    // sleep: longer than the patience, which must not count
    tokio::time::sleep(Duration::from_millis(300)).await;
    job.send(progress(1)).unwrap();
    assert_eq!(lines(&connection.chunk().await.unwrap())[0].0, "progress");
    release.add_permits(1);
    drop(job);
    assert_eq!(lines(&connection.chunks().await)[0].0, "outcome");
}
