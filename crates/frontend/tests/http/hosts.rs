//! The hosts of a cluster over HTTP, and the readiness of pools that run there.

use crate::fake::Fake;
use crate::server::Server;
use procpool_frontend::{App, Health, HttpConfig, PoolPattern, Scope, Token, TokenDigest, Tokens};
use procpool_jobs::{DurablePools, LocalJobs, RoutedJobs};
use procpool_protocol::engine::{HostState, HostStatus};
use procpool_registry::Settings;
use serde_json::{Value, json};
use std::sync::Arc;

const SECRET: &str = "pp_0123456789abcdef0123456789abcdef";

fn host(node: &str, pool: &str, state: HostState) -> HostStatus {
    let mut host = HostStatus::new(node);
    (host.host, host.pid, host.version) = ("web\u{202e}1".into(), 7, "0.1.0".into());
    (host.state, host.seen_ms, host.held, host.told, host.fenced) = (state, 1200, 1, 30, 2);
    host.slots.extend([(pool.to_owned(), 4), ("other".to_owned(), 1)]);
    host
}

/// A server whose pools `fib` and `down` are those of a cluster, with these hosts.
async fn clustered(hosts: Vec<HostStatus>) -> (Arc<Fake>, Server) {
    let engine = Fake::echo();
    *engine.hosts.lock().unwrap() = Some(Ok(hosts.into()));
    let side = || Arc::new(LocalJobs::new(engine.clone(), Settings::default()).unwrap());
    let jobs = RoutedJobs::new(side(), side(), DurablePools::new(["fib", "down"]));
    let health = Health::starting();
    let app = App::new(engine.clone(), HttpConfig::default(), health.clone()).with_jobs(Arc::new(jobs));
    health.serving();
    (engine, Server::of_app("127.0.0.1:0", app, health).await)
}

#[tokio::test]
async fn a_server_of_a_cluster_lists_its_hosts() {
    let (engine, server) =
        clustered(vec![host("a-1", "fib", HostState::Up), host("b-2", "fib", HostState::Gone)]).await;
    let answer = server.get("/v1/hosts").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains(r"web\u202e1"), "a name turns no terminal around: {}", answer.text());
    let hosts = answer.json()["hosts"].clone();
    let first = json!({
        "node": "a-1", "host": "web\u{202e}1", "pid": 7, "version": "0.1.0", "state": "up", "seen_ms": 1200,
        "slots": {"fib": 4, "other": 1}, "held": 1, "told": 30, "late": 0, "decided": 0, "fenced": 2, "left": 0,
    });
    assert_eq!((&hosts[0], &hosts[1]["state"]), (&first, &json!("gone")));
    assert_eq!(server.get("/v1/session").await.json()["has_hosts"], true);
    assert_eq!(server.get("/v1/hosts?all=1").await.kind(), "bad_parameter");

    *engine.hosts.lock().unwrap() = Some(Err("no responders".into()));
    let away = server.get("/v1/hosts").await;
    assert_eq!((away.status, away.kind().as_str()), (503, "not_ready"), "{}", away.text());
    assert_eq!(
        (&away.json()["reason"], away.header("retry-after")),
        (&json!("engine_unreachable"), Some("2"))
    );
}

#[tokio::test]
async fn a_server_without_a_cluster_has_no_hosts() {
    let server = Server::of(Fake::echo()).await;
    let none = server.get("/v1/hosts").await;
    assert_eq!((none.status, none.kind().as_str()), (404, "no_cluster"));
    assert_eq!(server.get("/v1/session").await.json()["has_hosts"], false);
}

#[tokio::test]
async fn a_client_of_some_pools_sees_their_slots() {
    let engine = Fake::echo();
    *engine.hosts.lock().unwrap() = Some(Ok(vec![host("a-1", "fib", HostState::Up)].into()));
    let token = |scope, pool: Option<&str>| {
        let mut token = Token::new("ann").unwrap();
        token.digest = Some(TokenDigest::of(SECRET.as_bytes()));
        token.scopes = [scope].into_iter().collect();
        token.pools = pool.map(|pool| pool.parse::<PoolPattern>().unwrap()).into_iter().collect();
        Tokens::new(vec![token])
    };
    let ask = async |tokens: Tokens| {
        let server = Server::with_tokens(engine.clone(), &tokens).await;
        let head = format!("Authorization: Bearer {SECRET}\r\n");
        server.ask(format!("GET /v1/hosts HTTP/1.1\r\nHost: localhost\r\n{head}\r\n")).await
    };
    let of_fib: Value = ask(token(Scope::Read, Some("fib"))).await.json();
    assert_eq!(of_fib["hosts"][0]["slots"], json!({"fib": 4}));
    assert_eq!(ask(token(Scope::Submit, None)).await.status, 403);
}

#[tokio::test]
async fn a_pool_of_a_cluster_is_ready_while_the_cluster_takes_its_jobs() {
    let (engine, server) = clustered(vec![host("a-1", "down", HostState::Up)]).await;
    let ready = async |pool: &str| {
        let answer = server.get(&format!("/readyz?pool={pool}")).await;
        (answer.status, answer.text().to_owned())
    };
    // It has no worker here, and a host runs it.
    assert_eq!(ready("down").await, (200, "OK".into()));
    let waits = "OK, but no host of the cluster runs the pool `fib` at the moment: its jobs wait for one";
    assert_eq!(ready("fib").await, (200, waits.into()));
    assert_eq!(ready("ping").await.0, 404);
    *engine.hosts.lock().unwrap() = Some(Err("no responders".into()));
    let (status, text) = ready("fib").await;
    assert!(status == 503 && text.contains("the cluster does not answer: no responders"), "{text}");
}
