//! The quarantine over HTTP: shown to operators alone, and cleared by them.

use crate::fake::{Fake, SUSPECT, SUSPECT_CLIENT};
use crate::server::Server;
use procpool_frontend::OrdersToken;
use serde_json::json;

const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const QUARANTINE: &str = "/v1/pools/fib/quarantine";

async fn server() -> Server {
    Server::with(Fake::echo(), |config| config.orders_token = Some(OrdersToken::new(TOKEN).unwrap())).await
}

fn asks(method: &str, path: &str, headers: &str) -> String {
    let lines = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n")
}

#[tokio::test]
async fn who_proves_no_right_to_give_orders_neither_sees_nor_clears_it() {
    let server = server().await;
    let one = format!("{QUARANTINE}/{SUSPECT}");
    for (method, path) in [("GET", QUARANTINE), ("DELETE", QUARANTINE), ("DELETE", &one)] {
        let reply = server.ask(asks(method, path, "")).await;
        assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"), "{method} {path}");
    }
}

#[tokio::test]
async fn an_operator_lists_it_and_clears_one_or_all() {
    let server = server().await;
    let order = async |method: &str, path: &str| {
        server.ask(asks(method, path, &format!("Authorization: Bearer {TOKEN}"))).await
    };
    let listed = order("GET", QUARANTINE).await.json();
    let payloads = json!([{
        "fingerprint": SUSPECT, "deaths": 0, "quarantined": false, "remaining_ms": 0,
        "since_last_death_ms": 0, "last_job": null,
    }]);
    assert_eq!(listed["payloads"], payloads);
    let clients = json!([{
        "fingerprint": SUSPECT_CLIENT, "client": "192.0.2.7", "deaths": 0, "quarantined": false, "remaining_ms": 0,
    }]);
    assert_eq!(listed["clients"], clients);
    for (path, cleared) in [(String::new(), 2), (format!("/{SUSPECT}"), 1), (format!("/{SUSPECT_CLIENT}"), 1)]
    {
        let reply = order("DELETE", &format!("{QUARANTINE}{path}")).await;
        assert_eq!(reply.json(), json!({"pool": "fib", "cleared": cleared}), "{path}");
    }
    let none = order("DELETE", "/v1/pools/down/quarantine").await;
    assert_eq!((none.status, none.json()), (200, json!({"pool": "down", "cleared": 0})));

    let wrong = order("DELETE", "/v1/pools/fib/quarantine/0123456789abcdef").await;
    assert_eq!((wrong.status, wrong.kind().as_str()), (404, "not_found"));
    assert!(wrong.problem()["detail"].as_str().unwrap().contains(QUARANTINE), "{}", wrong.text());
    for (method, path) in [
        ("GET", "/v1/pools/fob/quarantine"),
        ("DELETE", "/v1/pools/fob/quarantine"),
        ("DELETE", "/v1/pools/fob/quarantine/0123456789abcdef"),
    ] {
        let reply = order(method, path).await;
        assert_eq!((reply.status, reply.kind().as_str()), (404, "unknown_pool"), "{method} {path}");
    }
    assert_eq!(order("POST", QUARANTINE).await.status, 405);
}

#[tokio::test]
async fn a_job_goes_to_its_pool_with_the_address_of_its_client_whatever_the_headers_say() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let reply = server.post_as("/v1/pools/fib/jobs", "X-Forwarded-For: 192.0.2.7", "40").await;
    assert_eq!((reply.status, engine.only_job().client.as_deref()), (200, Some("127.0.0.1")));
}
