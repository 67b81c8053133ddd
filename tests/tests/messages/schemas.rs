//! The schemas of a pool's job: asked of its first worker, shown over HTTP.

use procpool::{Executable, Job};
use procpool_tests::binaries::{self, binary};
use procpool_tests::http::get;
use procpool_tests::server::{Scratch, Server, TAKES_ORDERS};
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, served};
use serde_json::Value;

/// Returns the server's schemas of a pool, once it has any.
async fn schemas(server: &Server, pool: &str) -> Value {
    eventually("the schemas", async || server.pool(pool).await.get("schemas").cloned()).await
}

#[tokio::test]
async fn the_schemas_of_a_job_are_shown_with_its_pool_and_not_in_the_list() {
    let server = Server::start().await;
    let ours = <procpool_fib::Fib as Job>::schema().expect("fib has schemas");
    let shown = schemas(&server, "fib").await;
    assert_eq!((&shown["input"], &shown["output"]), (&ours.input, &ours.output));
    assert_eq!(shown["hash"], ours.hash());
    let list = get(server.address(), "/v1/pools").await.json();
    for pool in list["pools"].as_array().unwrap() {
        assert!(pool["name"].is_string() && pool.get("schemas").is_none(), "{pool}");
    }
}

#[tokio::test]
async fn the_schemas_of_workers_that_are_forked_are_shown() {
    let server = Server::with_config(&served::pool("fib", &binary("procpool-fib"), 1, "fork = true")).await;
    let ours = <procpool_fib::Fib as Job>::schema().expect("fib has schemas");
    let shown = schemas(&server, "fib").await;
    assert_eq!((&shown["input"], &shown["output"]), (&ours.input, &ours.output));
    assert_eq!(shown["hash"], ours.hash());
}

#[tokio::test]
async fn a_job_without_schemas_and_a_worker_that_does_not_answer_are_served_all_the_same() {
    let server = Server::of_verbs(1, "").await;
    assert_eq!(server.perform(&Verb::Echo("hello".into())).await.status, 200);
    assert_eq!(server.pool("verbs").await.get("schemas"), None);
    let server = Server::with_config(&served::misbehaving(&["nothing"], "")).await;
    for _ in 0..3 {
        server.perform(&Verb::Pid).await;
    }
    let pool = server.pool("verbs").await;
    assert_eq!((pool.get("schemas"), &pool["jobs"]["ok"], &pool["deaths"]), (None, &3.into(), &0.into()));
}

#[tokio::test]
async fn a_description_that_nobody_asked_for_is_a_breach_of_the_protocol() {
    let server = Server::with_config(&served::misbehaving(&["describe_twice"], "")).await;
    let answer = server.perform(&Verb::Pid).await;
    let problem = answer.problem();
    assert_eq!((answer.status, &problem["outcome"]), (502, &"protocol_error".into()));
    assert!(problem["violation"].as_str().unwrap().contains("that nobody had asked for"), "{problem}");
    assert_eq!(
        schemas(&server, "verbs").await,
        serde_json::json!({"input": {"type": "string"}}),
        "of the first"
    );
}

#[tokio::test]
async fn a_worker_of_a_new_executable_is_asked_again() {
    let scratch = Scratch::new();
    let path = scratch.path().join("worker");
    let install = |name: &str| {
        let new = scratch.path().join("new");
        binaries::copy(name, &new);
        std::fs::rename(&new, &path).unwrap();
    };
    install("procpool-fib");
    let config = TAKES_ORDERS.to_owned() + &served::pool("any", &path, 1, "");
    let server = Server::with_config(&config).await;
    let old = schemas(&server, "any").await;
    install("procpool-fib");
    let reloaded = server.order("/v1/pools/any/reload").await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    assert_eq!(schemas(&server, "any").await, old);
    assert_eq!(server.pool("any").await["generation"], 1);
}

#[tokio::test]
async fn a_rust_caller_reads_them_too() {
    let fib = Executable::path(binary("procpool-fib")).unwrap();
    let pool = procpool::Pool::<procpool_fib::Fib>::builder(fib).start().await.unwrap();
    let schemas = eventually("the schemas", async || pool.raw().schemas()).await;
    assert_eq!(schemas.hash, <procpool_fib::Fib as Job>::schema().map(|schema| schema.hash()));
}

#[tokio::test]
async fn a_pool_whose_schemas_are_none_is_in_the_document_without_them() {
    let config =
        served::pool("odd", &binary("odd"), 1, "") + &served::pool("fib", &binary("procpool-fib"), 1, "");
    let server = Server::with_config(&config).await;
    for pool in ["odd", "fib"] {
        schemas(&server, pool).await;
    }
    let document = procpool_tests::http::get(server.address(), "/openapi.json").await.json();
    let described = |pool: &str, place: &str| {
        document["paths"][format!("/v1/pools/{pool}/jobs")]["post"]
            .pointer(place)
            .cloned()
            .unwrap_or_default()
    };
    let input = "/requestBody/content/application~1json/schema";
    assert_eq!(described("fib", input), serde_json::json!({"$ref": "#/components/schemas/fib.input"}));
    assert_eq!(described("odd", input), serde_json::json!({}), "any JSON");
    let output = &document["components"]["schemas"]["odd.output"];
    assert_eq!(output, &serde_json::json!({"type": "integer"}), "without what leads elsewhere");
    let answer = procpool_tests::http::post(server.address(), "/v1/pools/odd/jobs", "1").await;
    assert_eq!((answer.status, answer.text()), (200, "2"), "the pool works");
}
