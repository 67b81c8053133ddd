//! The events of jobs, as server-sent events.

use crate::async_jobs::{ask, submitted, waiting};
use crate::client::{Connection, soon};
use crate::fake::Fake;
use crate::server::Server;
use procpool_protocol::Payload;
use procpool_protocol::engine::JobEvent;
use procpool_protocol::message::Progress;
use serde_json::{Value, json};
use std::time::Duration;

/// An event as a browser hears it.
#[derive(Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) name: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: Value,
}

/// A client that hears events, as a browser does.
pub(crate) struct Source(Connection);

impl Source {
    /// Opens a stream that begins after this event.
    async fn open(server: &Server, path: &str, last: Option<&str>) -> Self {
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        Self::at(server, &format!("{path}/events"), &last).await
    }

    /// Opens the stream at this path, with these headers.
    pub(crate) async fn at(server: &Server, path: &str, headers: &str) -> Self {
        let mut connection = server.connect().await;
        // Its answers have no chunks, which would stand between the lines.
        connection.send(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n")).await;
        let head = connection.head().await;
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "{head:?}");
        assert_eq!(head.header("cache-control"), Some("no-cache, no-transform"));
        let mut source = Self(connection);
        assert_eq!(source.0.next_line().await.as_deref(), Some("retry: 2000"));
        assert_eq!(source.0.next_line().await.as_deref(), Some(""));
        source
    }

    /// Returns the next event, or `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        let mut heard = Heard { name: String::new(), id: None, data: Value::Null };
        let mut data = Vec::new();
        loop {
            let line = self.0.next_line().await?;
            match line.split_once(": ") {
                Some(("event", name)) => heard.name = name.to_owned(),
                Some(("id", id)) => heard.id = Some(id.parse().unwrap()),
                Some(("data", line)) => data.push(line.to_owned()),
                _ if line.is_empty() && !heard.name.is_empty() => {
                    heard.data = serde_json::from_str(&data.join("\n")).unwrap();
                    return Some(heard);
                }
                _ => assert!(line.is_empty() || line == ":", "{line:?}"),
            }
        }
    }

    /// Returns the next event without its id.
    async fn said(&mut self) -> (String, Value) {
        let heard = self.next().await.expect("an event");
        assert!(heard.id.is_some() || heard.name == "bye", "{heard:?}");
        (heard.name, heard.data)
    }
}

fn of(name: &str, data: Value) -> (String, Value) {
    (name.to_owned(), data)
}

#[tokio::test]
async fn a_stream_shows_a_job_run_and_end_and_a_reconnect_after_the_end_is_told_so() {
    let (engine, mut ends) = waiting();
    let events = engine.reporting_events();
    let server = Server::of(engine).await;
    let path = submitted(&server).await;
    let mut source = Source::open(&server, &path, None).await;
    let place = |state: &str, attempt: u32, worker: Value| json!({"state": state, "attempt": attempt, "worker": worker});
    assert_eq!(source.said().await, of("state", place("queued", 0, Value::Null)));
    events.send(JobEvent::started(1, "fib-7")).unwrap();
    assert_eq!(source.said().await, of("state", place("running", 1, json!("fib-7"))));
    events.send(JobEvent::Progress(Progress { done: 3, total: Some(9) })).unwrap();
    assert_eq!(source.said().await, of("progress", json!({"done": 3, "total": 9})));
    for chunk in [Payload::json("{\n\"a\": 1.50}"), Payload::raw(&b"\x00a"[..])] {
        events.send(JobEvent::Chunk(chunk)).unwrap();
    }
    assert_eq!(source.said().await, of("chunk", json!({"json": {"a": 1.5}})));
    let raw = json!({"base64": "AGE=", "content_type": "application/octet-stream"});
    assert_eq!(source.said().await, of("chunk", raw));
    events.send(JobEvent::Returned).unwrap();
    assert_eq!(source.said().await, of("state", place("queued", 1, json!("fib-7"))));
    assert_eq!(ask(&server, "DELETE", &path, "").await.status, 202);
    let mut cancelling = place("queued", 1, json!("fib-7"));
    cancelling["cancelling"] = json!(true);
    assert_eq!(source.said().await, of("state", cancelling));
    ends.recv().await.unwrap().send(Ok(Payload::json("1"))).unwrap();
    drop(events);
    let outcome = source.next().await.unwrap();
    assert_eq!(
        (outcome.name.as_str(), &outcome.data),
        ("outcome", &json!({"outcome": "ok", "may_have_run": true}))
    );
    assert_eq!(source.next().await, None);

    let last = format!("Last-Event-ID: {}\r\n", outcome.id.unwrap());
    let ended = ask(&server, "GET", &format!("{path}/events"), &last).await;
    assert_eq!(ended.status, 204, "which alone stops a browser");
}

#[tokio::test]
async fn a_client_resumes_after_each_event_and_loses_none() {
    let (engine, mut ends) = waiting();
    let events = engine.reporting_events();
    let server = Server::of(engine).await;
    let path = submitted(&server).await;
    events.send(JobEvent::started(1, "fib-7")).unwrap();
    for number in 0..9 {
        events.send(JobEvent::Chunk(Payload::json(number.to_string()))).unwrap();
    }
    drop(events);
    ends.recv().await.unwrap().send(Ok(Payload::json("1"))).unwrap();
    let mut whole = Vec::new();
    let mut source = Source::open(&server, &path, None).await;
    while let Some(heard) = source.next().await {
        whole.push(heard);
    }
    assert_eq!(whole.len(), 12, "{whole:?}");
    assert!(whole.iter().map(|heard| heard.id).eq((1..=12).map(Some)));
    for (cut, last) in whole.iter().enumerate().take(11) {
        let mut source = Source::open(&server, &path, Some(&last.id.unwrap().to_string())).await;
        for expected in &whole[cut + 1..] {
            assert_eq!(source.next().await.as_ref(), Some(expected));
        }
        assert_eq!(source.next().await, None);
    }
}

/// Reads bytes until this number is reached or the stream ends, and resets the connection. Returns the events that came
/// whole, and whether the stream has ended.
async fn cut_after(server: &Server, path: &str, last: u64, bytes: usize) -> (Vec<(u64, String)>, bool) {
    let mut connection = server.connect().await;
    let request = format!("GET {path}/events HTTP/1.0\r\nHost: localhost\r\nLast-Event-ID: {last}\r\n\r\n");
    connection.send(request).await;
    let head = connection.head().await;
    if head.status == 204 {
        return (Vec::new(), true);
    }
    assert_eq!(head.status, 200);
    let text = connection.up_to(bytes).await;
    connection.reset();
    let (whole, _) = text.rsplit_once("\n\n").unwrap_or_default();
    let event = |text: &str| {
        let field = |name| text.lines().find_map(|line: &str| line.strip_prefix(name));
        Some((field("id: ")?.parse().unwrap(), field("data: ")?.to_owned()))
    };
    (whole.split("\n\n").filter_map(event).collect(), false)
}

#[tokio::test]
async fn a_client_whose_streams_are_cut_at_any_byte_has_every_event_once() {
    let (engine, mut ends) = waiting();
    let events = engine.reporting_events();
    let server = Server::with(engine, |config| config.max_event_streams = 2000).await;
    let path = submitted(&server).await;
    events.send(JobEvent::started(1, "fib-7")).unwrap();
    for number in 0..200 {
        events.send(JobEvent::Chunk(Payload::json(format!("\"{}\"", "x".repeat(number % 17))))).unwrap();
    }
    drop(events);
    ends.recv().await.unwrap().send(Ok(Payload::json("1"))).unwrap();
    let (whole, _) = cut_after(&server, &path, 0, usize::MAX).await;
    assert_eq!(whole.len(), 203);

    let (mut heard, mut state) = (Vec::new(), 7_u64);
    for _ in 0..1000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bytes = usize::try_from(state >> 33).unwrap() % 400;
        let last = heard.last().map_or(0, |(id, _)| *id);
        let (more, has_ended) = cut_after(&server, &path, last, bytes).await;
        heard.extend(more);
        if has_ended {
            break;
        }
    }
    assert_eq!(heard, whole);
}

#[tokio::test]
async fn a_stream_without_events_for_a_while_is_not_given_up() {
    let (engine, mut ends) = waiting();
    let server = Server::with(engine, |config| config.write_timeout = Duration::from_millis(50)).await;
    let path = submitted(&server).await;
    let mut source = Source::open(&server, &path, None).await;
    assert_eq!(source.next().await.unwrap().name, "state");
    // sleep: longer than the patience with a client that takes nothing, which must not count.
    tokio::time::sleep(Duration::from_millis(300)).await;
    ends.recv().await.unwrap().send(Ok(Payload::json("1"))).unwrap();
    assert_eq!(source.next().await.unwrap().name, "outcome");
    assert_eq!(source.next().await, None);
}

#[tokio::test]
async fn an_event_that_is_no_longer_held_or_never_was_is_answered_with_the_whole_state() {
    let (engine, mut ends) = waiting();
    let events = engine.reporting_events();
    let server = Server::with(engine, |config| config.jobs.max_events_per_job = 2).await;
    let path = submitted(&server).await;
    events.send(JobEvent::started(1, "fib-7")).unwrap();
    for number in 0..9 {
        events.send(JobEvent::Chunk(Payload::json(number.to_string()))).unwrap();
    }
    events.send(JobEvent::Progress(Progress { done: 1, total: None })).unwrap();
    drop(events);
    let end = ends.recv().await.unwrap();
    // Of the 12 events so far the last two are held.
    let mut source = Source::open(&server, &path, Some("11")).await;
    assert_eq!(source.next().await.unwrap().name, "progress");
    for last in [None, Some("1"), Some("999")] {
        let mut source = Source::open(&server, &path, last).await;
        let reset = source.next().await.unwrap();
        assert_eq!((reset.name.as_str(), reset.id), ("reset", Some(12)), "{last:?}");
        assert_eq!((&reset.data["state"], &reset.data["progress"]["done"]), (&json!("running"), &json!(1)));
    }
    let mut source = Source::open(&server, &path, Some("not a number")).await;
    assert_eq!(source.next().await.unwrap().name, "reset");
    end.send(Ok(Payload::json("1"))).unwrap();
    assert_eq!(source.next().await.unwrap().name, "outcome");
    assert_eq!(source.next().await, None);
}

#[tokio::test]
async fn streams_do_not_hold_up_a_drain_and_their_number_is_bounded() {
    let (engine, mut ends) = waiting();
    let server = Server::with(engine, |config| config.max_event_streams = 3).await;
    let path = submitted(&server).await;
    let end = ends.recv().await.unwrap();
    let mut sources = Vec::new();
    for _ in 0..3 {
        sources.push(Source::open(&server, &path, None).await);
    }
    let refused = server.get(&format!("{path}/events")).await;
    assert_eq!((refused.status, &refused.problem()["reason"]), (503, &json!("too_many_streams")));
    assert!(refused.header("retry-after").is_some());
    sources.pop();
    // The server notices at its next write that the client is gone.
    for source in &mut sources {
        assert_eq!(source.next().await.unwrap().name, "state");
    }
    let stopping = server.stop();
    for mut source in sources {
        assert_eq!(source.said().await, of("bye", json!({})));
        assert_eq!(source.next().await, None);
    }
    assert_eq!(soon(stopping).await.unwrap().cut_off, 0);
    drop(end);
}

#[tokio::test]
async fn what_names_no_job_has_no_events() {
    let server = Server::of(Fake::echo()).await;
    let reply = server.get(&format!("/v1/jobs/{:032x}/events", 7)).await;
    assert_eq!((reply.status, reply.kind().as_str()), (404, "unknown_job"));
    let path = submitted(&server).await;
    assert_eq!(server.get(&format!("{path}/events?from=1")).await.status, 400);
}
