//! Orders for settings, drains and single workers: who may give them, what they answer, and what is refused.

use crate::client::Reply;
use crate::fake::Fake;
use crate::server::Server;
use procpool_frontend::OrdersToken;
use procpool_protocol::engine::PoolSettings;
use serde_json::json;
use std::sync::Arc;

const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// A frontend whose pool `fib` has settings.
struct Operated {
    engine: Arc<Fake>,
    server: Server,
}

impl Operated {
    async fn new() -> Self {
        let engine = Fake::echo();
        let mut settings = PoolSettings::default();
        (settings.max_workers, settings.queue) = (4, 100);
        *engine.settings.lock().unwrap() = Some(settings);
        let with_token = |config: &mut procpool_frontend::HttpConfig| {
            config.orders_token = Some(OrdersToken::new(TOKEN).unwrap());
        };
        let server = Server::with(engine.clone(), with_token).await;
        Self { engine, server }
    }

    async fn order(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let proof = format!("Authorization: Bearer {TOKEN}\r\n{headers}");
        self.ask(method, path, &proof, body).await
    }

    async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}");
        self.server.ask(format!("{head}Content-Length: {length}\r\n\r\n{body}")).await
    }
}

#[tokio::test]
async fn nobody_gives_orders_without_a_proof() {
    let fib = Operated::new().await;
    for (method, path) in [
        ("PATCH", "/v1/pools/fib"),
        ("POST", "/v1/pools/fib/drain"),
        ("DELETE", "/v1/workers/fib-1?how=kill"),
    ] {
        let reply = fib.ask(method, path, "", r#"{"queue": 1}"#).await;
        assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"), "{path}");
    }
    assert_eq!(fib.engine.settings.lock().unwrap().unwrap().queue, 100);
    assert_eq!(fib.server.get("/v1/pools/fib").await.status, 200, "everybody may look");
}

#[tokio::test]
async fn a_patch_answers_the_settings_and_the_tag_of_the_next_one() {
    let fib = Operated::new().await;
    let shown = fib.server.get("/v1/pools/fib").await;
    let (tag, settings) = (shown.header("etag").unwrap().to_owned(), shown.json()["settings"].clone());
    assert_eq!((&settings["max_workers"], &settings["timeout"]), (&json!(4), &json!("none")));
    let typed = "Content-Type: application/merge-patch+json\r\n";
    let reply = fib.order("PATCH", "/v1/pools/fib", typed, r#"{"queue": 7, "timeout": "2s"}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let new = &reply.json()["settings"];
    assert_eq!((&new["queue"], &new["timeout"], &new["max_workers"]), (&json!(7), &json!("2s"), &json!(4)));
    assert_ne!(reply.header("etag"), Some(tag.as_str()));
    assert_eq!(reply.header("etag"), fib.server.get("/v1/pools/fib").await.header("etag"));
}

#[tokio::test]
async fn a_patch_that_depends_on_other_settings_changes_nothing() {
    let fib = Operated::new().await;
    let tag = fib.server.get("/v1/pools/fib").await.header("etag").unwrap().to_owned();
    let patch = async |condition: &str, queue: u32| {
        let condition = format!("If-Match: {condition}\r\n");
        fib.order("PATCH", "/v1/pools/fib", &condition, &format!(r#"{{"queue": {queue}}}"#)).await
    };
    for condition in ["\"0\"", &format!("W/{tag}"), "nonsense"] {
        let reply = patch(condition, 7).await;
        assert_eq!((reply.status, reply.kind().as_str()), (412, "settings_changed"), "{condition}");
        assert_eq!((&reply.json()["etag"], &reply.json()["settings"]["queue"]), (&json!(tag), &json!(100)));
    }
    assert_eq!(patch(&format!("\"0\", {tag}"), 7).await.status, 200);
    assert_eq!(patch(&tag, 8).await.status, 412, "it is the tag of the settings before");
    assert_eq!(patch("*", 9).await.status, 200);
    // The body is read first: it would be no patch under any condition.
    for body in ["", "[]", r#"{"colour": "red"}"#] {
        let reply = fib.order("PATCH", "/v1/pools/fib", "If-Match: \"0\"\r\n", body).await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_setting"), "{body}");
    }
}

#[tokio::test]
async fn a_patch_that_makes_no_sense_is_refused_by_name() {
    let fib = Operated::new().await;
    for (body, needed) in [
        (r#"{"nice": 3}"#, "there is no setting `nice`"),
        (r#"{"queue": "many"}"#, "`queue` needs a whole number"),
        (r#"{"max_workers": 100}"#, "max_workers is too large"),
        ("[1]", "no JSON object"),
        ("", "no JSON object"),
    ] {
        let reply = fib.order("PATCH", "/v1/pools/fib", "", body).await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_setting"), "{body}");
        assert!(reply.text().contains(needed), "{}", reply.text());
    }
    let known = fib.order("PATCH", "/v1/pools/fib", "", r#"{"nice": 3}"#).await.json()["known"].clone();
    assert!(known.as_array().unwrap().contains(&json!("min_workers")), "{known}");
    let raw = fib.order("PATCH", "/v1/pools/fib", "Content-Type: application/octet-stream\r\n", "{}").await;
    assert_eq!(raw.status, 400);
    assert_eq!(fib.order("PATCH", "/v1/pools/fib", "Content-Type: text/plain\r\n", "{}").await.status, 415);
    assert_eq!(fib.order("PATCH", "/v1/pools/fob", "", "{}").await.kind(), "unknown_pool");
    assert_eq!(fib.order("PATCH", "/v1/pools/fib?queue=1", "", "{}").await.kind(), "bad_parameter");
}

#[tokio::test]
async fn a_worker_is_sent_away_by_its_name() {
    let fib = Operated::new().await;
    let end = async |path: &str| fib.order("DELETE", &format!("/v1/workers/{path}"), "", "").await;
    assert_eq!(end("fib-1?how=kill").await.json(), json!({"worker": "fib-1", "pool": "fib", "how": "kill"}));
    for path in ["fib-1", "fib-1?how=retire"] {
        assert_eq!(end(path).await.json()["how"], "retire");
    }
    let gone = end("fib-9").await;
    assert_eq!((gone.status, gone.kind().as_str()), (404, "unknown_worker"));
    let odd = end("fib-1?how=gently").await;
    assert_eq!((odd.status, odd.kind().as_str()), (400, "bad_parameter"));
    assert!(odd.text().contains("`retire` or `kill`"), "{}", odd.text());
}

#[tokio::test]
async fn a_drain_tells_what_is_left() {
    let fib = Operated::new().await;
    let reply = fib.order("POST", "/v1/pools/fib/drain", "", "").await;
    assert_eq!(reply.json(), json!({"pool": "fib", "draining": true, "queued": 0, "running": 1}));
    assert_eq!(fib.order("POST", "/v1/pools/fob/drain", "", "").await.status, 404);
}

#[tokio::test]
async fn an_order_with_a_parameter_that_it_does_not_know_is_not_carried_out() {
    let fib = Operated::new().await;
    for order in ["drain", "pause", "resume", "reload"] {
        let refused = fib.order("POST", &format!("/v1/pools/fib/{order}?dry_run=true"), "", "").await;
        assert_eq!((refused.status, refused.kind().as_str()), (400, "bad_parameter"), "{order}");
        assert!(refused.problem()["detail"].as_str().unwrap().contains("has no parameters"), "{refused:?}");
    }
    assert!(!*fib.engine.is_paused.lock().unwrap());
}
