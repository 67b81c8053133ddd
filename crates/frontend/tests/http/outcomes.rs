//! Every way in which a job can have no output, as its client sees it.

use crate::client::Reply;
use crate::fake::{Fake, ID_TEXT, Reaction};
use crate::server::Server;
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::printable::is_unprintable;
use procpool_protocol::{CrashReport, Encoding, Exit, ExitReport, Failure};
use procpool_protocol::{JobError, JobId, PayloadError, Stage};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::Duration;

/// One row: the error, its status, its type, and members that must be there.
pub(crate) struct Row(pub(crate) JobError, pub(crate) u16, pub(crate) &'static str, pub(crate) Value);

/// Sends one job that ends as `error` says.
async fn reply_to(error: JobError) -> Reply {
    let error = Mutex::new(Some(error));
    let server = Server::of(Fake::new(move |_| match error.lock().unwrap().take().expect("one job") {
        refused @ JobError::Refused(_) => Reaction::Refuse(refused),
        error => Reaction::Run(Box::pin(async { Err(error) })),
    }))
    .await;
    let reply = server.post("/v1/pools/fib/jobs", "40").await;
    let kind = reply.kind();
    let explained = server.get(&format!("/problems/{kind}")).await;
    assert_eq!(explained.status, 200, "{kind} is explained");
    reply
}

fn assert_members(problem: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&problem[name], value, "{name} in {problem}");
    }
}

#[tokio::test]
async fn every_outcome_has_its_status_its_type_and_what_belongs_to_it() {
    for Row(error, status, kind, members) in outcomes() {
        let (name, display) = (error.name(), error.to_string());
        let reply = reply_to(error).await;
        assert_eq!((reply.status, reply.kind().as_str()), (status, kind), "{name}");
        let problem = reply.problem();
        assert_eq!(problem["outcome"], name);
        assert_eq!(problem["detail"], display);
        assert_members(&problem, &members);
        assert_eq!(reply.header("job-id"), Some(ID_TEXT), "{name}");
        assert_eq!(reply.header("server-timing"), Some("wait;dur=1.500, run;dur=20.000"), "{name}");
    }
}

#[tokio::test]
async fn every_refusal_has_its_status_and_its_reason_and_no_outcome() {
    for (reason, status, name, members) in refusals() {
        let error = Refused::new("fib", reason);
        let reply = reply_to(error.into()).await;
        assert_eq!((reply.status, reply.kind().as_str()), (status, "refused"), "{name}");
        let problem = reply.problem();
        assert_eq!(problem["reason"], name);
        assert_eq!(problem.get("outcome"), None, "it was never accepted");
        assert_eq!((&problem["pool"], &problem["may_have_run"]), (&"fib".into(), &false.into()));
        assert_members(&problem, &members);
        assert_eq!(reply.header("job-id"), None);
        assert_eq!(reply.header("server-timing"), None);
    }
}

#[tokio::test]
async fn retry_after_stands_only_where_the_job_cannot_have_run_and_waiting_helps() {
    let refused = |reason| JobError::from(Refused::new("fib", reason));
    for (error, expected) in [
        (refused(Refusal::queue_full(8)), Some("1")),
        (refused(Refusal::queue_bytes_full(9, 2, 10)), Some("1")),
        (refused(Refusal::ShuttingDown), Some("1")),
        (JobError::shut_down(Stage::Queued), Some("1")),
        (JobError::shut_down(Stage::Running), None),
        (crashed(Stage::Running), None),
        (refused(Refusal::unknown_pool(vec![])), None),
    ] {
        let shown = error.to_string();
        assert_eq!(reply_to(error).await.header("retry-after"), expected, "{shown}");
    }
}

#[tokio::test]
async fn texts_of_a_worker_reach_no_header() {
    let evil = "x\r\nSet-Cookie: a=b\r\n\r\n";
    let failure = Failure::new(evil).with_code(evil);
    let reply = reply_to(JobError::Failed(failure)).await;
    assert_eq!(reply.problem()["code"], evil);
    assert_eq!(reply.header("set-cookie"), None);
}

#[tokio::test]
async fn texts_of_a_worker_neither_turn_nor_drive_what_shows_a_problem() {
    let evil = "a\u{202e}b\u{2028}c\u{85}d\u{200b}e\u{e0041}";
    let location = Some(format!("src/{evil}.rs:1"));
    let reply = reply_to(JobError::panicked(evil, location)).await;
    assert!(!reply.text().contains(is_unprintable), "{:?}", reply.text());
    let problem = reply.problem();
    assert_eq!(problem["message"], evil, "a program reads what the worker said");
    let shown = r"a\u{202e}b\u{2028}c\u{85}d\u{200b}e\u{e0041}";
    assert!(problem["detail"].as_str().unwrap().contains(shown), "{problem}");
}

#[tokio::test]
async fn the_name_of_no_pool_neither_turns_nor_drives_what_shows_a_problem() {
    let server = Server::of(Fake::new(|_| unreachable!("there is no such pool"))).await;
    for path in ["/v1/pools/a%E2%80%AEb", "/v1/pools/a%E2%80%AEb/workers"] {
        let reply = server.get(path).await;
        assert_eq!((reply.status, reply.kind().as_str()), (404, "unknown_pool"));
        assert!(!reply.text().contains(is_unprintable), "{:?}", reply.text());
        let problem = reply.problem();
        assert!(problem["detail"].as_str().unwrap().contains(r"`a\u{202e}b`"), "{problem}");
        assert_eq!(problem["pool"], "a\u{202e}b");
    }
}

fn crashed(stage: Stage) -> JobError {
    let exit = Exit::by_signal(9, false);
    let mut death = ExitReport::new("fib-3", 1234, exit);
    death.stderr = vec!["last words".into()];
    JobError::Crashed(Box::new(CrashReport::new(JobId::from_bits(0xfeed), stage, death)))
}

/// Returns the error of a job that was saved.
fn saved(mut error: JobError) -> JobError {
    error.saved_as("/a.job".into());
    error
}

pub(crate) fn outcomes() -> Vec<Row> {
    let (queued, running) = (Stage::Queued, Stage::Running);
    let limit = Duration::from_millis(1500);
    let failure = Failure::new("n is too large").with_code("too_large");
    vec![
        Row(
            JobError::bad_input("not a u64"),
            400,
            "bad_input",
            json!({"message": "not a u64", "may_have_run": false}),
        ),
        Row(
            JobError::Failed(failure.clone()),
            422,
            "failed",
            json!({"code": "too_large", "message": "n is too large", "retryable": false, "details": null,
                   "may_have_run": true}),
        ),
        Row(
            JobError::Failed(failure.with_details(&json!({"most": 93})).retryable()),
            422,
            "failed",
            json!({"retryable": true, "details": {"most": 93}}),
        ),
        Row(
            JobError::Broke(Failure::new("no such key").with_code("KeyError").as_broken().retryable()),
            500,
            "broke",
            json!({"code": "KeyError", "message": "no such key", "retryable": true, "details": null,
                   "may_have_run": true}),
        ),
        Row(
            JobError::panicked("oh", Some("main.rs:1:2".into())),
            500,
            "panicked",
            json!({"message": "oh", "location": "main.rs:1:2", "may_have_run": true}),
        ),
        Row(
            saved(JobError::panicked("oh", None)),
            500,
            "panicked",
            json!({"message": "oh", "location": null, "replay": "/a.job"}),
        ),
        Row(
            crashed(running),
            502,
            "crashed",
            json!({"stage": "running", "may_have_run": true, "crash": {
                "worker": "fib-3", "pid": 1234, "signal": 9, "signal_name": "SIGKILL", "exit_code": null,
                "limit_hit": null, "oom_killed": false, "stage": "running", "job": ID_TEXT, "stderr": ["last words"],
                "peak_memory_bytes": null, "cpu_ms": 0, "uptime_ms": 0, "jobs_done": 0, "first_job": true,
                "payload_deaths": 0, "quarantined": false,}}),
        ),
        Row(crashed(queued), 502, "crashed", json!({"stage": "queued", "may_have_run": false})),
        Row(
            JobError::timed_out(queued, limit),
            504,
            "timed_out",
            json!({"stage": "queued", "limit_ms": 1500, "may_have_run": false}),
        ),
        Row(
            JobError::timed_out(running, limit),
            504,
            "timed_out",
            json!({"stage": "running", "may_have_run": true}),
        ),
        Row(JobError::cancelled(queued), 499, "cancelled", json!({"stage": "queued"})),
        Row(
            JobError::protocol("a frame too many"),
            502,
            "protocol_error",
            json!({"violation": "a frame too many", "may_have_run": true}),
        ),
        Row(
            JobError::poisoned(queued, 3, limit),
            422,
            "poisoned",
            json!({"stage": "queued", "payload_deaths": 3, "remaining_ms": 1500,
                   "may_have_run": false}),
        ),
        Row(JobError::output_too_large(11, 10), 500, "output_too_large", json!({"size": 11, "limit": 10})),
        Row(
            JobError::Output(PayloadError::wrong_encoding("JSON", Encoding::Bytes)),
            500,
            "unreadable_output",
            json!({"may_have_run": true}),
        ),
        Row(JobError::shut_down(running), 503, "shut_down", json!({"stage": "running"})),
    ]
}

fn refusals() -> Vec<(Refusal, u16, &'static str, Value)> {
    let limit = Duration::from_millis(250);
    let known = vec!["fib".into(), "ping".into()];
    vec![
        (Refusal::unknown_pool(known), 404, "unknown_pool", json!({"known": ["fib", "ping"]})),
        (Refusal::queue_full(8), 503, "queue_full", json!({"limit": 8})),
        (
            Refusal::queue_bytes_full(9, 2, 10),
            503,
            "queue_bytes_full",
            json!({"waiting": 9, "size": 2, "limit": 10}),
        ),
        (
            Refusal::breaker_open(limit, "exit code 1"),
            503,
            "breaker_open",
            json!({"retry_ms": 250, "last_death": "exit code 1"}),
        ),
        (
            Refusal::client_quarantined("192.0.2.7", 3, limit),
            429,
            "client_quarantined",
            json!({"client": "192.0.2.7", "deaths": 3, "retry_ms": 250}),
        ),
        (Refusal::no_slot_in_time(limit), 504, "no_slot_in_time", json!({"limit_ms": 250})),
        (Refusal::Starting, 503, "starting", json!({})),
        (
            Refusal::deadline_unreachable(limit, 2 * limit, limit),
            503,
            "deadline_unreachable",
            json!({"limit_ms": 250, "predicted_ms": 500}),
        ),
        (Refusal::Draining, 503, "draining", json!({})),
        (Refusal::ShuttingDown, 503, "shutting_down", json!({})),
        (Refusal::input_too_large(11, 10), 413, "input_too_large", json!({"size": 11, "limit": 10})),
        (Refusal::InputEncoding("no".into()), 500, "input_encoding", json!({})),
        (Refusal::Forked, 503, "forked", json!({})),
    ]
}

#[tokio::test]
async fn a_job_that_is_given_back_is_answered_as_if_it_had_been_refused() {
    let given_back = || {
        let late = Refusal::deadline_unreachable(
            Duration::from_secs(1),
            Duration::from_secs(2),
            Duration::from_secs(1),
        );
        JobError::from(Refused::new("fib", late))
    };
    let server = Server::of(Fake::ending(move |_| Err(given_back()))).await;
    let reply = server.post("/v1/pools/fib/jobs", "40").await;
    assert_eq!((reply.status, reply.kind().as_str()), (503, "refused"));
    let told = ["job-id", "server-timing", "retry-after"].map(|name| reply.header(name));
    assert_eq!(told, [None, None, Some("1")]);
}
