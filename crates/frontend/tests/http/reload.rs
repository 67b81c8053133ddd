//! Orders that change what is running.

use crate::fake::Fake;
use crate::server::Server;
use serde_json::json;

#[tokio::test]
async fn a_reload_is_answered_with_what_came_of_it() {
    let server = Server::of(Fake::echo()).await;
    let reply = server.post("/v1/pools/fib/reload", "").await;
    assert_eq!((reply.status, reply.json()), (200, json!({"pool": "fib", "generation": 3})));

    let reply = server.post("/v1/pools/down/reload", "").await;
    assert_eq!((reply.status, reply.kind().as_str()), (502, "reload_failed"));
    let problem = reply.problem();
    assert_eq!(problem["reason"], "canary");
    assert!(problem["detail"].as_str().unwrap().contains("exit code 1"), "{problem}");

    assert_eq!(server.post("/v1/pools/fob/reload", "").await.kind(), "unknown_pool");
    assert_eq!(server.get("/v1/pools/fib/reload").await.status, 405);
}

#[tokio::test]
async fn an_order_that_came_through_a_proxy_is_not_from_this_machine() {
    let server = Server::of(Fake::echo()).await;
    for mark in ["Forwarded: for=192.0.2.1", "Via: 1.1 proxy", "X-Forwarded-For: 192.0.2.1", "X-Real-IP: ::1"]
    {
        let reply = server.post_as("/v1/pools/fib/reload", &format!("{mark}\r\n"), "").await;
        assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"), "{mark}");
    }
}

#[tokio::test]
async fn a_server_may_take_no_orders_at_all() {
    let server = Server::with(Fake::echo(), |config| config.orders = false).await;
    let reply = server.post("/v1/pools/fib/reload", "").await;
    assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"));
    assert!(reply.problem()["detail"].as_str().unwrap().contains("configuration"));
}

#[tokio::test]
async fn a_server_that_others_can_reach_takes_no_orders() {
    let server = Server::bound_to("0.0.0.0:0", Fake::echo(), |_| {}).await;
    let reply = server.post("/v1/pools/fib/reload", "").await;
    assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"));
    assert_eq!(server.post("/v1/pools/fib/jobs", "40").await.status, 200, "jobs it does take");
}
