//! The state that the server reports, whether it is ready, and the meaning of problems.

use crate::fake::{Fake, ID_TEXT};
use crate::server::Server;
use procpool_frontend::{App, Health, HttpConfig};
use serde_json::json;

#[tokio::test]
async fn pools_and_workers_are_listed_in_the_promised_shape() {
    let server = Server::of(Fake::echo()).await;
    let pools = server.get("/v1/pools").await;
    assert_eq!(pools.header("content-type"), Some("application/json"));
    let fib = &pools.json()["pools"][1];
    assert_eq!((&fib["name"], &fib["running"]), (&"fib".into(), &1.into()));
    assert_eq!((&fib["workers"]["idle"], &fib["workers"]["busy"]), (&1.into(), &1.into()));

    assert_eq!(fib.get("schemas"), None, "the list stays short");
    let mut one = server.get("/v1/pools/fib").await.json();
    let schemas = one.as_object_mut().unwrap().remove("schemas");
    assert_eq!(schemas, Some(json!({"input": {"type": "integer"}, "hash": "0123456789abcdef"})));
    assert_eq!(&one, fib);
    let down = server.get("/v1/pools/down").await.json();
    assert_eq!((&down["name"], down.get("schemas")), (&"down".into(), None));

    let workers = server.get("/v1/pools/fib/workers").await.json();
    let busy = &workers["workers"][0];
    assert_eq!((&busy["id"], &busy["pid"]), (&"fib-1".into(), &1234.into()));
    assert_eq!((&busy["state"], &busy["job"]), (&"busy".into(), &ID_TEXT.into()));
    assert_eq!(workers["workers"][1]["job"], json!(null));
}

#[tokio::test]
async fn memory_and_processor_time_are_shown_to_who_asks_for_them() {
    let server = Server::of(Fake::echo()).await;
    let get = async |path: &str| server.get(path).await.json();
    assert_eq!(get("/v1/pools/fib").await.get("usage"), None);
    let usage = json!({"resident_bytes": 4096, "resident_max_bytes": 4096, "cpu_seconds": 1.5});
    assert_eq!(get("/v1/pools/fib?usage=true").await["usage"], usage);
    let workers = get("/v1/pools/fib/workers?usage=true").await;
    let used = |at: usize| {
        (workers["workers"][at]["resident_bytes"].clone(), workers["workers"][at]["cpu_ms"].clone())
    };
    assert_eq!((used(0), used(1)), ((json!(4096), json!(500)), (json!(null), json!(null))));
    assert_eq!(get("/v1/pools/down?usage=true").await.get("usage"), None, "of another engine");
    for path in ["/v1/pools/fib?use=true", "/v1/pools/fib/workers?usage=yes"] {
        let reply = server.get(path).await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_parameter"), "{path}");
    }
    assert_eq!(server.get("/v1/pools/fob/workers?usage=true").await.status, 404);
}

#[tokio::test]
async fn an_unknown_pool_is_told_which_ones_there_are() {
    let server = Server::of(Fake::echo()).await;
    server.health.serving();
    for path in ["/v1/pools/fob", "/v1/pools/fob/workers", "/readyz?pool=fob"] {
        let reply = server.get(path).await;
        assert_eq!((reply.status, reply.kind().as_str()), (404, "unknown_pool"), "{path}");
        assert_eq!(reply.problem()["known"], json!(["down", "fib"]));
    }
    let undecodable = server.get("/v1/pools/%ff").await;
    assert_eq!((undecodable.status, undecodable.kind().as_str()), (400, "bad_parameter"));
}

#[tokio::test]
async fn ready_follows_the_server_and_alive_does_not() {
    let server = Server::of(Fake::echo()).await;
    let readiness = async || {
        let reply = server.get("/readyz").await;
        assert_eq!(server.get("/livez").await.text(), "OK");
        (reply.status, reply.text().to_owned())
    };
    let (status, body) = readiness().await;
    assert_eq!(status, 503);
    assert!(body.contains("starting") && body.contains("not_ready"), "{body}");
    server.health.serving();
    assert_eq!(readiness().await, (200, "OK".into()));
    server.health.draining();
    let (status, body) = readiness().await;
    assert_eq!(status, 503);
    assert!(body.contains("draining"), "{body}");
}

#[tokio::test]
async fn a_server_that_is_opening_answers_probes_only() {
    let health = Health::opening();
    let app = App::new(Fake::echo(), HttpConfig::default(), health.clone());
    let server = Server::of_app("127.0.0.1:0", app, health.clone()).await;
    assert_eq!(server.get("/livez").await.status, 200);
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, &ready.problem()["reason"]), (503, &json!("opening")));
    for path in ["/", "/v1/pools", "/v1/schedules", "/nothing"] {
        let early = server.get(path).await;
        assert_eq!((early.status, early.kind().as_str()), (503, "not_ready"), "{path}");
        assert_eq!(early.header("retry-after"), Some("1"), "{path}");
    }
    health.opened();
    assert_eq!(server.get("/v1/pools").await.status, 200);
    assert_eq!(server.get("/readyz").await.problem()["reason"], "starting");
}

#[tokio::test]
async fn ready_is_strict_when_asked_about_one_pool_and_not_otherwise() {
    let server = Server::of(Fake::echo()).await;
    let status = async |path: &str| server.get(path).await.status;
    assert_eq!(status("/readyz?pool=fib").await, 503, "the server is starting");
    server.health.serving();
    assert_eq!(status("/readyz").await, 200, "although one pool is down");
    assert_eq!(status("/readyz?pool=fib").await, 200);
    let down = server.get("/readyz?pool=down").await;
    assert_eq!((down.status, down.kind().as_str()), (503, "not_ready"));
    assert_eq!(status("/readyz?pol=down").await, 400, "a typing error is no answer");
}

#[tokio::test]
async fn a_problem_explains_itself_in_plain_text() {
    let server = Server::of(Fake::echo()).await;
    let explained = server.get("/problems/crashed").await;
    assert_eq!(explained.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(explained.text().starts_with("crashed: The worker died."), "{}", explained.text());
    let unknown = server.get("/problems/nonsense").await;
    assert_eq!((unknown.status, unknown.kind().as_str()), (404, "not_found"));
}
