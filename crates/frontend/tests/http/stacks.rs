//! Stacks and profiles of workers: who may see them, what they look like, and what has none.

use crate::client::Reply;
use crate::fake::Fake;
use crate::server::Server;
use procpool_frontend::OrdersToken;
use serde_json::{Value, json};

const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

async fn server() -> Server {
    let with_token = |config: &mut procpool_frontend::HttpConfig| {
        config.orders_token = Some(OrdersToken::new(TOKEN).unwrap());
    };
    Server::with(Fake::echo(), with_token).await
}

async fn ask(server: &Server, method: &str, path: &str) -> Reply {
    let proof = format!("Authorization: Bearer {TOKEN}\r\nConnection: close\r\nContent-Length: 0\r\n");
    server.ask(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{proof}\r\n")).await
}

#[tokio::test]
async fn a_reader_sees_what_a_worker_does_and_how_far_its_job_is() {
    let server = server().await;
    let reply = server.get("/v1/workers/fib-1").await;
    let seen = reply.json();
    assert_eq!((reply.status, &seen["id"], &seen["pool"]), (200, &json!("fib-1"), &json!("fib")));
    assert_eq!(
        (&seen["activity"], &seen["progress"]),
        (&json!({"state": "running"}), &json!({"done": 1, "total": 2}))
    );
    assert_eq!(seen["limit"], json!({"limit_ms": 30_000, "remaining_ms": 12_000}));
    assert_eq!(server.get("/v1/workers/fib-2").await.json().get("activity"), None, "it is not spawned yet");
    let of = async |path: &str| {
        let reply = server.get(path).await;
        (reply.status, reply.kind())
    };
    assert_eq!(of("/v1/workers/fib-0").await, (410, "worker_gone".into()));
    assert_eq!(of("/v1/workers/fib-9").await, (404, "unknown_worker".into()));
    assert_eq!(of("/v1/workers/fib-1?usage=yes").await, (400, "bad_parameter".into()));
    assert_eq!(of("/v1/workers/fib-1?use=true").await, (400, "bad_parameter".into()));
}

#[tokio::test]
async fn a_worker_has_the_usage_of_its_line_in_the_list() {
    let server = server().await;
    let figures = |worker: &Value| (worker.get("resident_bytes").cloned(), worker.get("cpu_ms").cloned());
    let list = server.get("/v1/pools/fib/workers?usage=true").await.json();
    let listed = figures(&list["workers"][0]);
    assert_eq!(listed, (Some(json!(4096)), Some(json!(500))));
    for query in ["?usage=true", ""] {
        let one = server.get(&format!("/v1/workers/fib-1{query}")).await.json();
        assert_eq!(figures(&one), listed, "{query}");
    }
    let without = server.get("/v1/workers/fib-1?usage=false").await.json();
    assert_eq!((figures(&without), &without["state"]), ((None, None), &json!("busy")));
}

#[tokio::test]
async fn a_stack_is_for_operators_and_has_its_calls() {
    let server = server().await;
    let reply = server.get("/v1/workers/fib-1/stack").await;
    assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"));
    let reply = ask(&server, "GET", "/v1/workers/fib-1/stack").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let call = json!({ "function": "spin_forever", "line": 7, "module": "fib", "offset": 16 });
    let thread = json!({ "id": 1, "name": "fib", "frames": [call] });
    assert_eq!(reply.json(), json!({ "worker": "fib-1", "threads": [thread] }));
    let reply = ask(&server, "GET", "/v1/workers/fib-1/stack?threads=all").await;
    assert_eq!(reply.json()["threads"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_worker_without_a_stack_says_why() {
    let server = server().await;
    let of = async |worker: &str| ask(&server, "GET", &format!("/v1/workers/{worker}/stack")).await;
    let unknown = of("fib-9").await;
    assert_eq!((unknown.status, unknown.kind().as_str()), (404, "unknown_worker"));
    assert_eq!(unknown.json()["known"], json!(["fib-1", "fib-2"]));
    let gone = of("fib-0").await;
    assert_eq!((gone.status, gone.kind().as_str()), (410, "worker_gone"));
    assert_eq!(gone.json()["worker"], "fib-0");
    let forbidden = of("fib-2").await;
    assert_eq!((forbidden.status, forbidden.kind().as_str()), (503, "stack_unavailable"));
    assert!(forbidden.text().contains("ptrace_scope is 3"), "{}", forbidden.text());
    assert_eq!(forbidden.json()["reason"], "forbidden");
    assert_eq!(forbidden.header("retry-after"), None, "waiting does not help");
    let busy = of("fib-3").await;
    assert_eq!((busy.status, busy.json()["reason"].as_str()), (503, Some("busy")));
    assert_eq!(busy.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_profile_comes_in_three_forms_and_one_at_a_time() {
    let server = server().await;
    let of = async |query: &str| ask(&server, "POST", &format!("/v1/workers/fib-1/profile{query}")).await;
    let folded = of("").await;
    assert_eq!((folded.status, folded.text()), (200, "fib-1;fib+0x10 5\n"));
    assert_eq!(of("?seconds=60&format=folded").await.text(), "fib-1;fib+0x10 60\n");
    let firefox = of("?format=firefox").await;
    assert_eq!(firefox.json()["meta"]["preprocessedProfileVersion"], 54);
    let svg = of("?format=svg").await;
    assert_eq!(svg.header("content-type"), Some("image/svg+xml"));
    assert!(svg.text().contains("5 of 5 samples"), "{}", svg.text());
    let second = ask(&server, "POST", "/v1/workers/fib-2/profile").await;
    assert_eq!((second.status, second.kind().as_str()), (409, "profile_running"));
}

#[tokio::test]
async fn what_is_asked_for_is_checked_before_a_worker_is_stopped() {
    let server = server().await;
    for (method, path) in [
        ("GET", "/v1/workers/fib-1/stack?threads=2"),
        ("GET", "/v1/workers/fib-1/stack?thread=all"),
        ("POST", "/v1/workers/fib-1/profile?seconds=0"),
        ("POST", "/v1/workers/fib-1/profile?seconds=61"),
        ("POST", "/v1/workers/fib-1/profile?seconds=1.5"),
        ("POST", "/v1/workers/fib-1/profile?format=pprof"),
    ] {
        let reply = ask(&server, method, path).await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_parameter"), "{path}");
    }
}
