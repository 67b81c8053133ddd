//! Orders that change what is running: who may give them, by which way, and what they answer.

use crate::client::soon;
use crate::fake::Fake;
use crate::server::{Server, post_text};
use http_body_util::Full;
use procpool_frontend::{App, Health, HttpConfig, OrdersToken, run_orders};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const RELOAD: &str = "/v1/pools/fib/reload";

fn with_token(config: &mut HttpConfig) {
    config.orders_token = Some(OrdersToken::new(TOKEN).unwrap());
}

/// A name in the file system, which goes with this.
struct Name(PathBuf);

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An orders socket.
struct Orders {
    path: Name,
    health: Health,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Orders {
    fn of(engine: Arc<Fake>, owner: u32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pp-orders-{}-{number}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let health = Health::starting();
        let app = App::new(engine, HttpConfig::default(), health.clone());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(run_orders(UnixListener::bind(&path).unwrap(), owner, app, async {
            let _ = stopped.await;
        }));
        Self { path: Name(path), health, stop, running }
    }

    /// Returns the status and the body of the answer; nothing where the connection is closed without one.
    async fn ask(&self, request: impl AsRef<[u8]>) -> Option<(u16, Value)> {
        let mut stream = soon(UnixStream::connect(&self.path.0)).await.unwrap();
        soon(stream.write_all(request.as_ref())).await.ok()?;
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).ok()?))
    }
}

fn own_user() -> u32 {
    std::fs::metadata("/proc/self").unwrap().uid()
}

fn order(path: &str, host: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn an_order_by_the_orders_socket_is_answered_with_what_came_of_it() {
    let orders = Orders::of(Fake::echo(), own_user());
    // Any name will do: no page gets here.
    for host in ["localhost", "procpool"] {
        let done = orders.ask(order(RELOAD, host)).await.unwrap();
        assert_eq!(done, (200, json!({"pool": "fib", "generation": 3})));
    }
    let (status, problem) = orders.ask(order("/v1/pools/down/reload", "localhost")).await.unwrap();
    assert_eq!(
        (status, &problem["type"], &problem["reason"]),
        (502, &json!("/problems/reload_failed"), &json!("canary"))
    );
    assert!(problem["detail"].as_str().unwrap().contains("exit code 1"), "{problem}");

    let (status, problem) = orders.ask(order("/v1/pools/fob/reload", "localhost")).await.unwrap();
    assert_eq!((status, &problem["type"]), (404, &json!("/problems/unknown_pool")));
    let (status, _) = orders.ask(order(RELOAD, "localhost").replace("POST", "GET")).await.unwrap();
    assert_eq!(status, 405);
}

#[tokio::test]
async fn the_orders_socket_tells_what_runs_and_runs_jobs_as_the_port_does() {
    let engine = Fake::echo();
    let orders = Orders::of(engine.clone(), own_user());
    let ask = "GET /v1/pools HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let (status, pools) = orders.ask(ask).await.unwrap();
    assert_eq!((status, &pools["pools"][1]["name"]), (200, &json!("fib")));
    let job = post_text("/v1/pools/fib/jobs", "Connection: close", "40");
    assert_eq!(orders.ask(job).await.unwrap(), (200, json!(40)));
    assert_eq!(engine.only_job().client.as_deref(), Some(&*format!("user {}", own_user())));
}

#[tokio::test]
async fn the_orders_socket_hangs_up_on_other_users_unread() {
    if own_user() == 0 {
        // Root may give orders to everybody's server; another user's process is tried end to end.
        let orders = Orders::of(Fake::echo(), 65_534);
        assert_eq!(orders.ask(order(RELOAD, "localhost")).await.unwrap().0, 200);
        return;
    }
    let orders = Orders::of(Fake::echo(), own_user() + 1);
    assert_eq!(orders.ask(order(RELOAD, "localhost")).await, None);
}

#[tokio::test]
async fn a_drain_ends_the_orders_socket_and_an_order_in_flight() {
    let orders = Orders::of(Fake::never_reloading(), own_user());
    let mut stream = UnixStream::connect(&orders.path.0).await.unwrap();
    stream.write_all(order(RELOAD, "localhost").as_bytes()).await.unwrap();
    let ready = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let _ = orders.ask(ready).await;
    orders.health.draining();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let Orders { path, stop, running, .. } = orders;
    stop.send(()).unwrap();
    soon(running).await.unwrap();
    assert!(UnixStream::connect(&path.0).await.is_err());
}

#[tokio::test]
async fn over_tcp_an_order_needs_the_token_wherever_it_comes_from() {
    let server = Server::with(Fake::echo(), with_token).await;
    for headers in [
        "",
        "Authorization: Bearer",
        "Authorization: Bearer 0f1e2d3c4b5a69788796a5b4c3d2e1f1",
        "Authorization: Basic 0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "X-Forwarded-For: 127.0.0.1",
    ] {
        let reply = server.post_as(RELOAD, headers, "").await;
        assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"), "{headers}");
        let detail = reply.problem()["detail"].as_str().unwrap().to_owned();
        for way in ["--unix-socket", "orders_token_file", "SIGHUP"] {
            assert!(detail.contains(way), "the way out: {detail}");
        }
        assert!(!detail.contains(TOKEN));
    }
    let bearer = format!("Authorization: Bearer {TOKEN}");
    for headers in [bearer.clone(), format!("{bearer}\r\nX-Forwarded-For: 192.0.2.7")] {
        let reply = server.post_as(RELOAD, &headers, "").await;
        assert_eq!((reply.status, reply.json()), (200, json!({"pool": "fib", "generation": 3})));
    }
    // The token is no way past the rule for foreign pages.
    let foreign = format!("{bearer}\r\nOrigin: https://evil.example");
    assert_eq!(server.post_as(RELOAD, &foreign, "").await.kind(), "foreign_origin");
}

#[tokio::test]
async fn without_a_token_nobody_gives_orders_over_tcp() {
    for place in ["127.0.0.1:0", "0.0.0.0:0"] {
        let server = Server::bound_to(place, Fake::echo(), |_| {}).await;
        for headers in ["", "Authorization: Bearer ", &format!("Authorization: Bearer {TOKEN}")] {
            let reply = server.post_as(RELOAD, headers, "").await;
            assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"), "{place} {headers}");
        }
        assert_eq!(server.post("/v1/pools/fib/jobs", "40").await.status, 200, "jobs it does take");
    }
}

#[tokio::test]
async fn over_loopback_the_users_processes_give_orders_without_a_token() {
    let with_both = |config: &mut HttpConfig| {
        with_token(config);
        config.orders_of = Some(own_user());
    };
    let server = Server::with(Fake::echo(), with_both).await;
    let done = json!({"pool": "fib", "generation": 3});
    assert_eq!(server.post_as(RELOAD, "", "").await.json(), done);
    // A wrong token is not the same as none, and a proxy may bring the right one.
    assert_eq!(server.post_as(RELOAD, "Authorization: Bearer no", "").await.status, 403);
    assert_eq!(server.post_as(RELOAD, "Via: 1.1 proxy", "").await.status, 403);
    let passed_on = format!("Via: 1.1 proxy\r\nAuthorization: Bearer {TOKEN}");
    assert_eq!(server.post_as(RELOAD, &passed_on, "").await.json(), done);
    assert_eq!(server.post_as(RELOAD, "Origin: https://evil.example", "").await.kind(), "foreign_origin");

    let (client, connection) = server.http2().await;
    let request = http::Request::post(format!("http://{}{RELOAD}", server.address));
    let answer = soon(client.clone().send_request(request.body(Full::default()).unwrap())).await.unwrap();
    assert_eq!(answer.status(), 200, "over HTTP/2, too");
    drop(client);
    connection.abort();
}
