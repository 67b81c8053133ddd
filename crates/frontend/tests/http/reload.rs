//! Orders that change what is running.
#![allow(clippy::print_stderr)] // what was not tried is to be read

use crate::client::{Connection, soon};
use crate::fake::Fake;
use crate::server::{Server, post_text};
use procpool_frontend::HttpConfig;
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

/// What proxies add of their own accord or when they are told to, whoever sits before them.
const PASSED_ON: [&str; 8] = [
    "Forwarded: for=192.0.2.7",
    "X-Forwarded-For: 192.0.2.7",
    "X-Forwarded-Host: jobs.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Port: 443",
    "X-Real-IP: 192.0.2.7",
    "Via: 1.1 proxy",
    "via:",
];

#[tokio::test]
async fn a_reload_that_a_proxy_passed_on_is_refused_with_the_way_out() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    for header in PASSED_ON {
        let reply = server.post_as("/v1/pools/fib/reload", header, "").await;
        assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"), "{header}");
        let detail = reply.problem()["detail"].as_str().unwrap().to_ascii_lowercase();
        let name = header.split(':').next().unwrap().to_ascii_lowercase();
        assert!(detail.contains(&format!("`{name}`")) && detail.contains("sighup"), "{header}: {detail}");
        assert_eq!(server.post_as("/v1/pools/fib/jobs", header, "40").await.status, 200, "jobs it does take");
    }
}

#[tokio::test]
async fn a_proxy_that_says_nothing_of_itself_is_known_by_the_name_or_the_version_that_it_asks_with() {
    let named = |config: &mut HttpConfig| config.allowed_hosts = vec!["jobs.example".into()];
    let server = Server::with(Fake::echo(), named).await;
    let ask = |version: &str, host: &str| {
        format!("POST /v1/pools/fib/reload HTTP/{version}\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n")
    };
    for (version, host) in [("1.1", "jobs.example"), ("1.1", "192.0.2.7"), ("1.0", "127.0.0.1")] {
        let reply = server.ask(ask(version, host)).await;
        assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"), "{version} {host}");
    }
    for host in ["127.0.0.1", "127.1.2.3:3000", "[::1]:3000", "localhost"] {
        assert_eq!(server.ask(ask("1.1", host)).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn an_order_from_another_address_than_loopback_is_refused() {
    // Where packets go to that are never sent.
    let route = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|it| it.connect("192.0.2.1:9").map(|()| it));
    let Some(own) = route.and_then(|it| it.local_addr()).ok().filter(|it| !it.ip().is_loopback()) else {
        eprintln!("NOT TRIED: this machine has no address but loopback");
        return;
    };
    let server = Server::of(Fake::echo()).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((own.ip(), 0).into()).unwrap();
    let mut connection = Connection::over(soon(socket.connect(server.address)).await.unwrap());
    connection.send(post_text("/v1/pools/fib/reload", "", "")).await;
    let reply = connection.reply().await;
    assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"));
}
