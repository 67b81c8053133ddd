//! Schedules over HTTP, and jobs that are to run later.

use crate::async_jobs::{ask, submit};
use crate::fake::Fake;
use crate::server::Server;
use procpool_frontend::{App, Health, HttpConfig, OrdersToken};
use procpool_jobs::{LocalJobs, MemoryNotes, Scheduled, Schedules};
use procpool_protocol::engine::Submission;
use procpool_protocol::{Encoding, Payload};
use procpool_registry::Settings;
use procpool_schedules::{Calendar, Schedule, Wall};
use serde_json::{Value, json};
use std::sync::Arc;

const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// 2026-05-28, 20:26:40 UTC.
const NOW: Wall = Wall::from_secs(1_780_000_000);

/// A server with a schedule of the pool `fib`, whose jobs echo their input.
async fn scheduled() -> Server {
    let engine = Fake::echo();
    let jobs = Arc::new(LocalJobs::new(engine.clone(), Settings::default()).unwrap());
    let schedules = Schedules::new(jobs.clone(), Arc::new(MemoryNotes::default()), || NOW);
    let calendar = Calendar::parse("30 2 * * *", "Europe/Berlin", NOW).unwrap();
    let nightly = Scheduled {
        name: "nightly".into(),
        written: ("30 2 * * *".into(), "Europe/Berlin".into()),
        schedule: Schedule::new(calendar),
        job: Submission::new("fib", Payload::json("7"), Encoding::Json),
    };
    schedules.replace(vec![nightly]).await;
    let (mut config, health) = (HttpConfig::default(), Health::starting());
    config.orders_token = Some(OrdersToken::new(TOKEN).unwrap());
    let app = App::new(engine, config, health.clone()).with_jobs(jobs).with_schedules(schedules);
    Server::of_app("127.0.0.1:0", app, health).await
}

#[tokio::test]
async fn a_schedule_shows_its_next_run_and_its_last() {
    let server = scheduled().await;
    let mut expected = json!({
        "name": "nightly", "pool": "fib", "cron": "30 2 * * *", "timezone": "Europe/Berlin",
        "next_at": "2026-05-29T00:30:00Z", "last": null, "left_out": 0,
    });
    assert_eq!(server.get("/v1/schedules").await.json(), json!({ "schedules": [expected] }));

    let order = format!("Authorization: Bearer {TOKEN}\r\n");
    let refused = ask(&server, "POST", "/v1/schedules/nightly/run", "").await;
    assert_eq!((refused.status, refused.kind().as_str()), (403, "not_local"), "it is an order");
    let run = ask(&server, "POST", "/v1/schedules/nightly/run", &order).await;
    assert_eq!(run.status, 200, "{}", run.text());
    let job = run.json()["job"].clone();
    let path = format!("/v1/jobs/{}", job.as_str().unwrap());
    let ended = ask(&server, "GET", &format!("{path}/result"), "Prefer: wait=30\r\n").await;
    assert_eq!((ended.status, ended.text()), (200, "7"));
    expected["last"] = json!({
        "at": "2026-05-28T20:26:40Z", "job": job, "state": "finished", "outcome": "ok", "refused": null,
    });
    assert_eq!(server.get("/v1/schedules").await.json(), json!({ "schedules": [expected] }));

    let unknown = ask(&server, "POST", "/v1/schedules/weekly/run", &order).await;
    assert_eq!((unknown.status, unknown.kind().as_str()), (404, "unknown_schedule"));
}

#[tokio::test]
async fn a_server_without_schedules_has_an_empty_list() {
    let server = Server::of(Fake::echo()).await;
    assert_eq!(server.get("/v1/schedules").await.json(), json!({ "schedules": [] }));
}

#[tokio::test]
async fn a_job_that_is_to_run_later_needs_a_durable_pool_and_outlives_its_request() {
    let server = Server::of(Fake::echo()).await;
    let later = async |query: &str, headers: &str| {
        server.post_as(&format!("/v1/pools/fib/jobs?{query}"), headers, "30").await
    };
    for query in ["delay=1h", "run_at=2026-12-01T00:00:00Z", "run_at=2020-01-01T00:00:00Z"] {
        let waits = later(query, "").await;
        assert_eq!((waits.status, waits.kind().as_str()), (400, "bad_parameter"), "{query}");
        assert!(waits.text().contains("respond-async"), "{}", waits.text());
        let refused = later(query, "Prefer: respond-async").await;
        assert_eq!((refused.status, &refused.problem()["reason"]), (422, &json!("not_durable")), "{query}");
        assert!(refused.header("retry-after").is_none());
    }
    let job: Value = submit(&server, "Prefer: respond-async").await.json();
    assert_eq!(job["durable"], json!(false));
}
