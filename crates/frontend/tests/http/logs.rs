//! The lines of a living worker over HTTP: at once, and as events that resume, say what is missing, and end with it.

use crate::events::Source;
use crate::fake::{Fake, ID_TEXT};
use crate::server::Server;
use procpool_frontend::OrdersToken;
use serde_json::json;
use std::sync::Arc;

const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const LOGS: &str = "/v1/workers/fib-1/logs";

async fn server(engine: &Arc<Fake>) -> Server {
    Server::with(engine.clone(), |config| config.orders_token = Some(OrdersToken::new(TOKEN).unwrap())).await
}

fn request(path: &str, headers: &str) -> String {
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}{headers}\r\n")
}

async fn follow(server: &Server, last: Option<u64>) -> Source {
    let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    let token = format!("Authorization: Bearer {TOKEN}\r\nAccept: text/event-stream\r\n{last}");
    Source::at(server, LOGS, &token).await
}

#[tokio::test]
async fn the_last_lines_are_shown_with_their_time_and_their_job() {
    let engine = Fake::echo();
    let server = server(&engine).await;
    ["gone", "one", "two"].into_iter().for_each(|text| engine.output.write(text));
    let logs = server.ask(request(LOGS, "")).await.json();
    assert_eq!(
        (&logs["worker"], &logs["pool"], &logs["missed"]),
        (&json!("fib-1"), &json!("fib"), &json!(0))
    );
    let one = json!({
        "number": 2, "time": "1970-01-01T00:00:02.000Z", "stream": "stderr", "job": ID_TEXT, "text": "one",
    });
    assert_eq!((&logs["lines"][1], &logs["lines"][2]["job"]), (&one, &json!(null)));
    engine.output.forget();
    let logs = server.ask(request(LOGS, "")).await.json();
    assert_eq!((&logs["lines"], &logs["missed"]), (&json!([]), &json!(3)));
}

#[tokio::test]
async fn lines_are_followed_resumed_and_missed_and_the_stream_ends_with_the_worker() {
    let engine = Fake::echo();
    let server = server(&engine).await;
    engine.output.write("one");
    let mut source = follow(&server, None).await;
    let line = source.next().await.unwrap();
    assert_eq!((line.name.as_str(), line.id, &line.data["text"]), ("line", Some(1), &json!("one")));
    engine.output.write("two");
    assert_eq!(source.next().await.unwrap().data["text"], "two");

    engine.output.write("three");
    let mut resumed = follow(&server, Some(2)).await;
    assert_eq!(resumed.next().await.unwrap().id, Some(3), "after the last that it has");
    engine.output.forget();
    engine.output.write("four");
    let mut late = follow(&server, Some(1)).await;
    let reset = late.next().await.unwrap();
    assert_eq!((reset.name.as_str(), reset.data), ("reset", json!({"missed": 2})));
    engine.output.end();
    for mut source in [late, resumed] {
        assert_eq!(source.next().await.unwrap().id, Some(4));
        let end = source.next().await.unwrap();
        assert_eq!(
            (end.name.as_str(), end.data),
            ("end", json!({"worker": "fib-1", "death": "/v1/deaths/1"}))
        );
        assert_eq!(source.next().await, None);
    }
}

#[tokio::test]
async fn a_number_that_no_line_has_had_begins_anew_and_waits() {
    let engine = Fake::echo();
    let server = server(&engine).await;
    let mut source = follow(&server, Some(99)).await;
    engine.output.write("one");
    assert_eq!(source.next().await.unwrap().id, Some(1));
}

#[tokio::test]
async fn a_stream_ends_when_the_server_drains() {
    let engine = Fake::echo();
    let server = server(&engine).await;
    let mut source = follow(&server, None).await;
    server.health.draining();
    assert_eq!(source.next().await.unwrap().name, "bye");
    assert_eq!(source.next().await, None);
}

#[tokio::test]
async fn a_dead_worker_is_gone_with_the_place_of_its_death_and_an_unknown_one_is_told_which_there_are() {
    let engine = Fake::echo();
    let server = server(&engine).await;
    let dead = server.ask(request("/v1/workers/fib-3/logs", "")).await;
    assert_eq!((dead.status, dead.kind().as_str()), (410, "worker_gone"));
    let problem = dead.problem();
    assert_eq!((&problem["death"], &problem["worker"]), (&json!("/v1/deaths/3"), &json!("fib-3")));
    let unknown = server.ask(request("/v1/workers/fob/logs", "Accept: text/event-stream\r\n")).await;
    assert_eq!((unknown.status, unknown.kind().as_str()), (404, "unknown_worker"));
    let problem = unknown.problem();
    assert_eq!(problem["known"], json!(["fib-1", "fib-2"]));
    assert!(problem["detail"].as_str().unwrap().ends_with("there are: fib-1, fib-2"), "{problem}");
    let wrong = server.ask(request("/v1/workers/fib-1/logs?follow=true", "")).await;
    assert_eq!((wrong.status, wrong.kind().as_str()), (400, "bad_parameter"));
}
