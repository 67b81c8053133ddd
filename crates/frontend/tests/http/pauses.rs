//! Orders to pause and resume a pool.

use crate::fake::Fake;
use crate::server::Server;
use procpool_frontend::OrdersToken;
use serde_json::json;

const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

#[tokio::test]
async fn an_operator_pauses_and_resumes_a_pool_and_nobody_else_does() {
    let engine = Fake::echo();
    let server =
        Server::with(engine.clone(), |config| config.orders_token = Some(OrdersToken::new(TOKEN).unwrap()));
    let server = server.await;
    let order = async |path: &str, proof: &str| {
        let head =
            format!("POST /v1/pools/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{proof}");
        server.ask(format!("{head}Content-Length: 0\r\n\r\n")).await
    };
    let proof = format!("Authorization: Bearer {TOKEN}\r\n");
    for path in ["fib/pause", "fib/resume"] {
        let reply = order(path, "").await;
        assert_eq!((reply.status, reply.kind().as_str()), (403, "not_local"), "{path}");
    }
    assert!(!*engine.is_paused.lock().unwrap());
    for (path, paused) in [("fib/pause", true), ("fib/resume", false)] {
        let reply = order(path, &proof).await;
        assert_eq!(reply.json(), json!({"pool": "fib", "paused": paused}));
        assert_eq!(*engine.is_paused.lock().unwrap(), paused);
    }
    for path in ["fob/pause", "fob/resume"] {
        let reply = order(path, &proof).await;
        assert_eq!((reply.status, reply.kind().as_str()), (404, "unknown_pool"), "{path}");
    }
    assert_eq!(server.get("/v1/pools/fib/pause").await.status, 405);
}
