//! Batches over HTTP with real workers: a line that kills its worker, and a queue that is full.

use procpool_tests::http::{self, Answer, get, request};
use procpool_tests::process::resident_memory;
use procpool_tests::server::Server;
use procpool_tests::{binaries::binary, eventually, served};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpSocket;

const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");

async fn batch(server: &Server, path: &str, body: &str) -> Vec<Value> {
    let answer = request(server.address(), "POST", path, &[LINES], body.as_bytes()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    lines(&answer)
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_line_that_kills_its_worker_costs_no_other_line() {
    let server = Server::of_verbs(2, "").await;
    let body = "{\"echo\":\"a\"}\n\"abort\"\n{\"panic\":\"no\"}\n{\"echo\":\"b\"}\n7\n";
    for order in ["lines", "none"] {
        let mut outcomes = batch(&server, &format!("/v1/pools/verbs/batch?order={order}"), body).await;
        outcomes.sort_by_key(|outcome| outcome["line"].as_u64());
        let told: Vec<_> = outcomes.iter().map(|it| it["outcome"].as_str().unwrap()).collect();
        assert_eq!(told, ["ok", "crashed", "panicked", "ok", "bad_input"]);
        assert_eq!(outcomes[3]["output"], "b");
        assert_eq!(outcomes[1]["problem"]["type"], "/problems/crashed");
    }
}

#[tokio::test]
async fn a_full_queue_makes_a_batch_wait_and_fails_no_line() {
    let config = served::pool("fib", &binary("procpool-fib"), 1, "queue = 1\ntimeout = \"1s\"");
    let server = Server::with_config(&config).await;
    let outcomes = batch(&server, "/v1/pools/fib/batch", &"20\n".repeat(500)).await;
    assert_eq!(outcomes.len(), 500);
    for (index, outcome) in outcomes.iter().enumerate() {
        assert_eq!(*outcome, json!({"line": index + 1, "outcome": "ok", "output": 6765}));
    }
    let pool = get(server.address(), "/v1/pools/fib").await.json();
    assert_eq!((&pool["refusals"]["queue_full"], &pool["jobs"]["ok"]), (&0.into(), &500.into()), "{pool}");
}

#[tokio::test]
async fn a_batch_for_no_pool_is_refused_as_a_job_is() {
    let server = Server::start().await;
    let answer = request(server.address(), "POST", "/v1/pools/fob/batch", &[LINES], b"1").await;
    assert_eq!((answer.status, &answer.problem()["reason"]), (404, &"unknown_pool".into()));
}

#[tokio::test]
async fn a_million_lines_of_a_client_that_does_not_read_cost_little_memory() {
    let server = Server::start().await;
    let address = server.address();
    let socket = TcpSocket::new_v4().unwrap();
    // Or the kernel takes tens of thousands of answers.
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let sends = tokio::spawn(async move {
        let body = "20\n".repeat(1_000_000);
        http::send(stream, "localhost", "POST", "/v1/pools/fib/batch", &[LINES], body.as_bytes()).await
    });
    let before = AtomicU64::new(0);
    let jobs = async || {
        // sleep: a batch that goes on runs hundreds of jobs meanwhile
        tokio::time::sleep(Duration::from_millis(200)).await;
        let pool = get(address, "/v1/pools/fib").await.json();
        let now = pool["jobs"]["ok"].as_u64()?;
        (now > 0 && now == before.swap(now, Relaxed)).then_some(now)
    };
    let stalled = eventually("a batch that stalls", jobs).await;
    assert!(stalled < 500_000, "{stalled} lines were run for a client that does not read");
    let memory = resident_memory(server.pid());
    assert!(memory < 100 << 20, "{memory} bytes");
    sends.abort();
}
