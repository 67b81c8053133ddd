//! Lists of jobs, cancels by filter, and jobs that run again.

use crate::async_jobs::{ask, result, submitted, waiting};
use crate::described::undescribed;
use crate::fake::Fake;
use crate::server::Server;
use procpool_frontend::OrdersToken;
use procpool_protocol::engine::JobEvent;
use procpool_protocol::{JobError, Payload};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const TOKEN: &str = "0123456789abcdef";

/// Returns the ids of a list.
fn ids(list: &Value) -> Vec<String> {
    let jobs = list["jobs"].as_array().expect("jobs");
    jobs.iter().map(|job| job["id"].as_str().unwrap_or_else(|| job.as_str().unwrap()).to_owned()).collect()
}

fn id_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn a_list_has_every_job_once_the_newest_first_page_by_page() {
    let server = Server::of(Fake::echo()).await;
    let mut paths = Vec::new();
    for _ in 0..7 {
        paths.push(submitted(&server).await);
    }
    let newest_first: Vec<_> = paths.iter().rev().map(|path| id_of(path).to_owned()).collect();
    let whole = server.get("/v1/jobs").await.json();
    assert_eq!((ids(&whole), &whole["next"]), (newest_first.clone(), &Value::Null));
    assert_eq!(whole["jobs"][0]["pool"], "fib");

    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/jobs?limit=3{cursor}")).await.json();
        walked.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(walked, newest_first);
}

#[tokio::test]
async fn a_list_has_only_what_its_filter_selects() {
    let (engine, mut ends) = waiting();
    let events = engine.reporting_events();
    let server = Server::of(engine).await;
    let running = submitted(&server).await;
    events.send(JobEvent::started(1, "fib-7")).unwrap();
    let _running = ends.recv().await.unwrap();
    let ok = submitted(&server).await;
    ends.recv().await.unwrap().send(Ok(Payload::json("1"))).unwrap();
    let bad = submitted(&server).await;
    ends.recv().await.unwrap().send(Err(JobError::bad_input("no number"))).unwrap();
    let queued = submitted(&server).await;
    for path in [&ok, &bad] {
        result(&server, path).await;
    }
    let running_now = ask(&server, "GET", &running, "If-None-Match: \"2\"\r\nPrefer: wait=30\r\n").await;
    assert_eq!(running_now.json()["state"], "running");
    let since = server.get(&ok).await.json()["accepted_at"].as_str().unwrap().to_owned();
    for (query, expected) in [
        ("state=running", vec![&running]),
        ("state=queued&pool=fib", vec![&queued]),
        ("state=finished", vec![&bad, &ok]),
        ("outcome=bad_input", vec![&bad]),
        ("outcome=ok&state=running", vec![]),
        ("pool=down", vec![]),
        ("since=2100-01-01T00:00:00Z", vec![]),
        (&format!("since={since}&outcome=ok"), vec![&ok]),
    ] {
        let list = server.get(&format!("/v1/jobs?{query}")).await;
        assert_eq!(list.status, 200, "{query}: {list:?}");
        let expected: Vec<_> = expected.into_iter().map(|path| id_of(path)).collect();
        assert_eq!(ids(&list.json()), expected, "{query}");
    }
}

#[tokio::test]
async fn what_a_list_does_not_know_is_named_with_what_there_is() {
    let server = Server::of(Fake::echo()).await;
    let other = format!("{:016x}-5", 1);
    for (query, parameter, words) in [
        ("colour=red", "colour", "`pool`, `state`, `outcome`, `since`, `limit`, `cursor`"),
        ("state=runing", "state", "queued, running, finished"),
        ("outcome=exploded", "outcome", "timed_out"),
        ("pool=fob", "pool", "down, fib"),
        ("since=yesterday", "since", "RFC 3339"),
        ("limit=0", "limit", "1 to 200"),
        ("limit=201", "limit", "1 to 200"),
        ("cursor=5", "cursor", "start again without a cursor"),
        (&format!("cursor={other}"), "cursor", "another server"),
        ("state=queued&state=queued", "state", "more than once"),
    ] {
        let reply = server.get(&format!("/v1/jobs?{query}")).await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_parameter"), "{query}");
        let problem = reply.problem();
        assert_eq!(problem["parameter"], parameter, "{query}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{query}: {problem}");
    }
}

async fn with_token(engine: std::sync::Arc<Fake>) -> Server {
    Server::with(engine, |config| config.orders_token = OrdersToken::new(TOKEN).ok()).await
}

async fn cancel(server: &Server, body: &str) -> crate::client::Reply {
    let headers = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json");
    server.post_as("/v1/jobs/cancel", &headers, body).await
}

#[tokio::test]
async fn a_cancel_by_filter_reaches_every_unfinished_job_that_matches_and_a_trial_none() {
    let (engine, mut ends) = waiting();
    let server = with_token(engine.clone()).await;
    let done = submitted(&server).await;
    ends.recv().await.unwrap().send(Ok(Payload::json("1"))).unwrap();
    result(&server, &done).await;
    let mut paths = Vec::new();
    // More than a page.
    for _ in 0..203 {
        paths.push(submitted(&server).await);
    }
    let trial = cancel(&server, r#"{"filter": {"state": "queued"}, "dry_run": true}"#).await.json();
    assert_eq!(
        (&trial["matched"], &trial["cancelled"], &trial["dry_run"]),
        (&json!(203), &json!(0), &json!(true))
    );
    assert_eq!(ids(&trial)[0], id_of(&paths[202]));
    assert!(engine.cancelled.lock().unwrap().is_empty());
    let none = cancel(&server, r#"{"filter": {"pool": "down"}}"#).await.json();
    assert_eq!(none["matched"], 0);

    let order = cancel(&server, r#"{"filter": {"pool": "fib"}}"#).await.json();
    assert_eq!((&order["matched"], &order["cancelled"]), (&json!(203), &json!(203)));
    let cancelled: BTreeSet<_> = engine.cancelled.lock().unwrap().iter().map(ToString::to_string).collect();
    let expected: BTreeSet<_> = paths.iter().map(|path| id_of(path).to_owned()).collect();
    assert_eq!(cancelled, expected);
}

#[tokio::test]
async fn a_cancel_by_filter_is_an_order_and_says_what_it_does_not_understand() {
    let server = with_token(Fake::echo()).await;
    let refused = server.post("/v1/jobs/cancel", r#"{"filter": {}}"#).await;
    assert_eq!((refused.status, refused.kind().as_str()), (403, "not_local"));
    for (body, kind, words) in [
        ("", "bad_input", "empty"),
        ("{}", "bad_input", "missing field `filter`"),
        (r#"{"filter": {"pool": 7}}"#, "bad_input", "expected a string"),
        (r#"{"filter": {}, "dryrun": true}"#, "bad_input", "unknown field `dryrun`"),
        (r#"{"filter": {"state": "idle"}}"#, "bad_parameter", "queued, running, finished"),
        (r#"{"filter": {"color": "red"}}"#, "bad_parameter", "no condition"),
    ] {
        let reply = cancel(&server, body).await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, kind), "{body}");
        assert!(reply.text().contains(words), "{body}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_job_runs_again_with_its_input_as_a_job_of_its_own() {
    let server = Server::of(Fake::echo()).await;
    let path = format!("{}?priority=low&timeout=3s", "/v1/pools/fib/jobs");
    let first = server.post_as(&path, "Prefer: respond-async", "[1, 2]").await;
    let first = first.header("location").unwrap().to_owned();
    result(&server, &first).await;
    let again = server.post_as(&format!("{first}/rerun"), "", "").await;
    assert_eq!((again.status, again.header("preference-applied")), (202, Some("respond-async")));
    let job = again.json();
    assert_eq!((&job["rerun_of"], &job["priority"]), (&json!(id_of(&first)), &json!("low")));
    let path = again.header("location").unwrap();
    assert_ne!(path, first);
    assert_eq!(result(&server, path).await.text(), "[1, 2]");
    let waited = server.post_as(&format!("{path}/rerun"), "Prefer: wait=30", "").await;
    assert_eq!((waited.status, waited.text()), (200, "[1, 2]"));
    let once = server.post_as(&format!("{path}/rerun"), "Idempotency-Key: k\r\nPrefer: wait=30", "").await;
    let twice = server.post_as(&format!("{first}/rerun"), "Idempotency-Key: k", "").await;
    assert_eq!(twice.header("idempotent-replayed"), Some("true"), "a key and an input are a job");
    assert_eq!(once.header("job-id"), twice.header("job-id"));
}

#[tokio::test]
async fn a_job_without_its_input_does_not_run_again() {
    let server = Server::with(Fake::echo(), |config| config.jobs.max_input_bytes = 0).await;
    let path = submitted(&server).await;
    let gone = server.post_as(&format!("{path}/rerun"), "", "").await;
    assert_eq!((gone.status, gone.kind().as_str()), (410, "input_expired"));
    let unknown = server.post_as(&format!("/v1/jobs/{:032x}/rerun", 7), "", "").await;
    assert_eq!((unknown.status, unknown.kind().as_str()), (404, "unknown_job"));
}

async fn rerun(server: &Server, body: &str) -> crate::client::Reply {
    let headers = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json");
    server.post_as("/v1/jobs/rerun", &headers, body).await
}

#[tokio::test]
async fn a_rerun_by_filter_reaches_every_dead_job_once_in_calls_that_go_on() {
    let (engine, mut ends) = waiting();
    let server = with_token(engine.clone()).await;
    let mut dead = Vec::new();
    for number in 0..4 {
        let path = submitted(&server).await;
        let is_dead = number > 0;
        let end = if is_dead { Err(JobError::panicked("no", None)) } else { Ok(Payload::json("1")) };
        ends.recv().await.unwrap().send(end).unwrap();
        result(&server, &path).await;
        dead.extend(is_dead.then_some(path));
    }
    let newest_first: Vec<_> = dead.iter().rev().map(|path| id_of(path).to_owned()).collect();
    let jobs = |reply: &Value| -> Vec<String> {
        let jobs = reply["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["job"].as_str().unwrap().to_owned()).collect()
    };
    let trial = rerun(&server, r#"{"filter": {}, "dry_run": true}"#).await.json();
    assert_eq!(
        (jobs(&trial), &trial["rerun"], &trial["next"]),
        (newest_first.clone(), &json!(0), &Value::Null)
    );
    assert_eq!(engine.seen.lock().unwrap().len(), 4, "nothing ran");

    let first = rerun(&server, r#"{"filter": {"state": "dead"}, "limit": 2}"#).await;
    assert_described(&server, &first.json()).await;
    let first = first.json();
    assert_eq!((&first["matched"], &first["rerun"], &first["refused"]), (&json!(2), &json!(2), &json!(0)));
    assert_eq!(jobs(&first), newest_first[..2]);
    // The new jobs die, too, and are not among those that are left.
    for job in first["jobs"].as_array().unwrap() {
        let path = format!("/v1/jobs/{}", job["rerun"].as_str().unwrap());
        ends.recv().await.unwrap().send(Err(JobError::panicked("again", None))).unwrap();
        result(&server, &path).await;
        assert_eq!(server.get(&path).await.json()["rerun_of"], job["job"]);
    }
    let next = first["next"].as_str().expect("more are left");
    let body = json!({"filter": {"state": "dead"}, "limit": 2, "cursor": next}).to_string();
    let second = rerun(&server, &body).await.json();
    assert_eq!((jobs(&second), &second["next"]), (newest_first[2..].to_vec(), &Value::Null));
}

async fn assert_described(server: &Server, answer: &Value) {
    let document = server.get("/openapi.json").await.json();
    let missing = undescribed(&document, &json!({"$ref": "#/components/schemas/Reruns"}), answer);
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn a_job_that_does_not_run_again_says_why_and_keeps_none_of_the_others() {
    let server = Server::with(Fake::ending(|_| Err(JobError::panicked("no", None))), |config| {
        config.orders_token = OrdersToken::new(TOKEN).ok();
        config.jobs.max_input_bytes = 0;
    })
    .await;
    result(&server, &submitted(&server).await).await;
    let reruns = rerun(&server, r#"{"filter": {"outcome": "panicked"}}"#).await.json();
    assert_eq!((&reruns["matched"], &reruns["rerun"], &reruns["refused"]), (&json!(1), &json!(0), &json!(1)));
    assert!(reruns["jobs"][0]["problem"]["detail"].as_str().unwrap().contains("no longer held"), "{reruns}");
    assert_described(&server, &reruns).await;
}

#[tokio::test]
async fn a_rerun_by_filter_is_an_order_and_says_what_it_does_not_understand() {
    let server = with_token(Fake::echo()).await;
    let refused = server.post("/v1/jobs/rerun", r#"{"filter": {}}"#).await;
    assert_eq!((refused.status, refused.kind().as_str()), (403, "not_local"));
    for (body, kind, words) in [
        ("{}", "bad_input", "missing field `filter`"),
        (r#"{"filter": {}, "dryrun": true}"#, "bad_input", "unknown field `dryrun`"),
        (r#"{"filter": {"state": "queued"}}"#, "bad_parameter", "`finished` or `dead`"),
        (r#"{"filter": {"pool": "fob"}}"#, "bad_parameter", "there are: down, fib"),
        (r#"{"filter": {}, "limit": 0}"#, "bad_parameter", "from 1 to 200"),
        (r#"{"filter": {}, "limit": 201}"#, "bad_parameter", "from 1 to 200"),
        (r#"{"filter": {}, "cursor": "x"}"#, "bad_parameter", "cursor"),
    ] {
        let reply = rerun(&server, body).await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, kind), "{body}");
        assert!(reply.text().contains(words), "{body}: {}", reply.text());
    }
}
