//! Jobs that outlive their requests, and the tokens that may see them.

use crate::client::Reply;
use crate::fake::{Fake, ID_TEXT};
use crate::server::Server;
use procpool_frontend::{Scopes, Token, TokenDigest, Tokens};
use serde_json::json;
use std::sync::Arc;

/// Returns a server with a token of all pools (`all`), one of `fib` (`fib`) and one of `down` (`down`).
async fn server(engine: Arc<Fake>) -> Server {
    let token = |name: &str, pools: &[&str]| {
        let mut token = Token::new(name).unwrap();
        token.digest = Some(TokenDigest::of(format!("the-secret-of-{name}").as_bytes()));
        token.scopes = Scopes::ALL;
        token.pools = pools.iter().map(|pool| pool.parse().unwrap()).collect();
        token
    };
    let tokens = vec![token("all", &[]), token("fib", &["fib"]), token("down", &["down"])];
    Server::with_tokens(engine, &Tokens::new(tokens)).await
}

/// Asks with the token of this name and these header lines.
async fn ask(server: &Server, name: &str, method: &str, path: &str, headers: &str) -> Reply {
    let body = if method == "POST" { "Content-Length: 2\r\n" } else { "" };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer the-secret-of-{name}\r\n"
    );
    let body = format!("{body}{headers}\r\n{}", if method == "POST" { "30" } else { "" });
    server.ask(format!("{head}{body}")).await
}

#[tokio::test]
async fn a_token_of_other_pools_finds_no_job() {
    let server = server(Fake::echo()).await;
    let reply = ask(&server, "fib", "POST", "/v1/pools/fib/jobs", "Prefer: respond-async\r\n").await;
    let path = reply.header("location").unwrap();
    for (method, end) in
        [("GET", ""), ("GET", "/result"), ("GET", "/events"), ("DELETE", ""), ("POST", "/rerun")]
    {
        let hidden = ask(&server, "down", method, &format!("{path}{end}"), "").await;
        assert_eq!((hidden.status, hidden.kind().as_str()), (404, "unknown_job"), "{method} {end}");
    }
    let listed = |name: &'static str| ask(&server, name, "GET", "/v1/jobs", "");
    assert_eq!(listed("down").await.json()["jobs"], json!([]));
    for name in ["fib", "all"] {
        assert_eq!(listed(name).await.json()["jobs"].as_array().map(Vec::len), Some(1), "{name}");
        assert_eq!(ask(&server, name, "GET", path, "").await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn a_token_of_other_pools_cancels_no_job_that_ends_with_its_request() {
    let engine = Fake::echo();
    let server = server(engine.clone()).await;
    let path = format!("/v1/jobs/{ID_TEXT}");
    assert_eq!(ask(&server, "down", "DELETE", &path, "").await.kind(), "unknown_job");
    assert!(engine.cancelled.lock().unwrap().is_empty());
    assert_eq!(ask(&server, "fib", "DELETE", &path, "").await.status, 202);
}

#[tokio::test]
async fn each_token_has_keys_of_its_own() {
    let engine = Fake::echo();
    let server = server(engine.clone()).await;
    let send = |name| ask(&server, name, "POST", "/v1/pools/fib/jobs", "Idempotency-Key: k\r\n");
    for (name, is_replayed) in [("all", false), ("fib", false), ("all", true), ("fib", true)] {
        let reply = send(name).await;
        assert_eq!(
            (reply.status, reply.header("idempotent-replayed").is_some()),
            (200, is_replayed),
            "{name}"
        );
    }
    let elsewhere = ask(&server, "all", "POST", "/v1/pools/down/jobs", "Idempotency-Key: k\r\n").await;
    assert_eq!((elsewhere.status, elsewhere.header("idempotent-replayed")), (200, None), "so has each pool");
    assert_eq!(engine.jobs_seen(), 3);
}
