//! Jobs that are read as they run, with real workers.

use procpool_tests::http::{self, Answer, get, open, request};
use procpool_tests::process::resident_memory;
use procpool_tests::server::Server;
use procpool_tests::{binaries::binary, eventually, served};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

const VERBS: &str = "/v1/pools/verbs/jobs";
const POURS: &str = "/v1/pools/pours/jobs";
const LINES: (&str, &str) = ("Accept", "application/x-ndjson");
const RAW: (&str, &str) = ("Accept", "application/octet-stream");

async fn pours() -> Server {
    Server::with_config(&served::pool("pours", &binary("pours"), 1, "")).await
}

fn events(answer: &Answer) -> Vec<(String, Value)> {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    let parse = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        (event["event"].as_str().unwrap().to_owned(), event["data"].clone())
    };
    answer.text().lines().map(parse).collect()
}

#[tokio::test]
async fn the_chunks_of_a_job_come_as_events_and_none_is_lost() {
    let server = Server::of_verbs(1, "").await;
    let answer = request(server.address(), "POST", VERBS, &[LINES], b"{\"count\":1000}").await;
    let events = events(&answer);
    assert_eq!(events[0].1["state"], "queued");
    assert_eq!((&events[1].1["state"], &events[1].1["attempt"]), (&"running".into(), &1.into()));
    assert!(events[1].1["worker"].as_str().unwrap().starts_with("verbs-"), "{:?}", events[1]);
    let chunks: Vec<_> = events.iter().filter(|(name, _)| name == "chunk").collect();
    assert_eq!(chunks.len(), 1000);
    for (number, (_, chunk)) in chunks.iter().enumerate() {
        assert_eq!(*chunk, json!({"json": number.to_string()}));
    }
    let (name, outcome) = events.last().unwrap();
    assert_eq!((name.as_str(), &outcome["output"]), ("outcome", &"1000".into()));
}

#[tokio::test]
async fn a_job_that_crashes_after_some_chunks_says_so_in_its_last_event() {
    let server = Server::of_verbs(1, "").await;
    let answer = request(server.address(), "POST", VERBS, &[LINES], b"{\"abort_after\":3}").await;
    let events = events(&answer);
    assert_eq!(events.iter().filter(|(name, _)| name == "chunk").count(), 3);
    let (name, outcome) = events.last().unwrap();
    assert_eq!((name.as_str(), &outcome["outcome"]), ("outcome", &"crashed".into()));
    assert_eq!(outcome["problem"]["type"], "/problems/crashed");
}

#[tokio::test]
async fn raw_chunks_of_a_worker_are_one_body() {
    let server = pours().await;
    let answer = request(server.address(), "POST", POURS, &[RAW], b"[100,10000,\"well\"]").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/octet-stream")));
    let expected: Vec<u8> = (0..100_u8).flat_map(|number| vec![number; 10_000]).collect();
    assert!(answer.body == expected, "{} bytes", answer.body.len());
}

#[tokio::test]
async fn raw_chunks_before_a_failure_or_a_crash_are_no_whole_body() {
    let server = pours().await;
    for end in ["crash", "out of paint"] {
        let body = format!("[3,10,{end:?}]");
        let mut stream = open(server.address(), "POST", POURS, &[RAW], body.as_bytes()).await;
        let mut bytes = Vec::new();
        // It may end by a reset.
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("\r\n\r\nA\r\n\0"), "{text:?}");
        assert!(!text.ends_with("0\r\n\r\n"), "{end}: {text:?}");
    }
    let none = request(server.address(), "POST", POURS, &[RAW], b"[0,0,\"out of paint\"]").await;
    assert_eq!((none.status, &none.problem()["message"]), (422, &"out of paint".into()));
}

#[tokio::test]
async fn chunks_of_json_are_not_read_as_raw_bytes() {
    let server = Server::of_verbs(1, "").await;
    let answer = request(server.address(), "POST", VERBS, &[RAW], b"{\"count\":1000}").await;
    assert_eq!((answer.status, &answer.problem()["type"]), (406, &"/problems/not_acceptable".into()));
    server.idle("verbs", 1).await;
}

#[tokio::test]
async fn a_job_waits_for_a_client_that_does_not_read_and_ends_when_it_hangs_up() {
    let server = pours().await;
    // 4 GB: more than any buffer between.
    let stream = open(server.address(), "POST", POURS, &[RAW], b"[4000,1000000,\"well\"]").await;
    server.busy("pours", 1).await;
    let before = resident_memory(server.pid());
    // sleep: the time in which a worker that nobody held up would fill the memory
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let grown = resident_memory(server.pid()).saturating_sub(before);
    assert!(grown < 100 << 20, "the server has grown by {grown} bytes");
    drop(stream);
    let cancelled = async || {
        let pool = get(server.address(), "/v1/pools/pours").await.json();
        (pool["jobs"]["cancelled"] == 1).then_some(())
    };
    eventually("the end of the job", cancelled).await;
    let next = http::request(server.address(), "POST", POURS, &[RAW], b"[1,1,\"well\"]").await;
    assert_eq!(next.body, [0]);
}
