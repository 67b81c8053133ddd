//! Jobs that outlive their requests, with real workers behind them.

use procpool_tests::eventually;
use procpool_tests::http::{Answer, get, open, request};
use procpool_tests::process::signal;
use procpool_tests::served::verbs;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use rustix::process::Signal;
use serde_json::{Value, json};

const ASYNC: (&str, &str) = ("Prefer", "respond-async");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Submits a verb as an asynchronous job. Returns its path.
async fn submit(server: &Server, verb: &Verb) -> String {
    let body = serde_json::to_vec(verb).unwrap();
    let answer = request(server.address(), "POST", "/v1/pools/verbs/jobs", &[ASYNC, JSON], &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.header("location").expect("a location").to_owned()
}

/// Waits for the result of a job.
async fn result(server: &Server, path: &str) -> Answer {
    request(server.address(), "GET", &format!("{path}/result"), &[("Prefer", "wait=30")], b"").await
}

/// Returns the names and data of all events of a job, once it has ended.
async fn events(server: &Server, path: &str) -> Vec<(String, Value)> {
    let answer = get(server.address(), &format!("{path}/events")).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let mut events = Vec::new();
    for event in answer.text().split("\n\n") {
        let field = |name| event.lines().find_map(|line: &str| line.strip_prefix(name));
        if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
            events.push((name.to_owned(), serde_json::from_str(data).unwrap()));
        }
    }
    events
}

#[tokio::test]
async fn a_job_is_handed_over_watched_to_its_end_and_its_result_is_fetched() {
    let server = Server::start().await;
    let fib = "/v1/pools/fib/jobs";
    let accepted = request(server.address(), "POST", fib, &[ASYNC], b"30").await;
    assert_eq!((accepted.status, accepted.header("preference-applied")), (202, Some("respond-async")));
    let path = accepted.header("location").unwrap();
    let events = events(&server, path).await;
    let states: Vec<_> =
        events.iter().filter(|(name, _)| name == "state").map(|(_, it)| &it["state"]).collect();
    assert_eq!(states.last(), Some(&&json!("running")), "{events:?}");
    assert_eq!(events.last(), Some(&("outcome".into(), json!({"outcome": "ok", "may_have_run": true}))));
    let result = result(&server, path).await;
    assert_eq!((result.status, result.text()), (200, "832040"));
    let job = get(server.address(), path).await.json();
    assert_eq!(
        (&job["state"], &job["attempt"], &job["pool"]),
        (&json!("finished"), &json!(1), &json!("fib"))
    );
    assert!(job["worker"].as_str().unwrap().starts_with("fib-") && job["deadline_at"].is_string(), "{job}");
}

#[tokio::test]
async fn the_result_of_each_outcome_is_its_synchronous_answer() {
    let server = Server::of_verbs(2, "timeout = \"500ms\"\ngrace = \"20ms\"").await;
    let verbs = [
        Verb::Echo("hello".into()),
        Verb::Abort,
        Verb::Exit(3),
        Verb::Panic("no".into()),
        Verb::Break("no".into()),
        Verb::Spin,
    ];
    for verb in verbs {
        let sync = server.perform(&verb).await;
        let stored = result(&server, &submit(&server, &verb).await).await;
        let kind = |answer: &Answer| match answer.status {
            200 => json!(answer.text()),
            _ => answer.problem()["type"].clone(),
        };
        assert_eq!((stored.status, kind(&stored)), (sync.status, kind(&sync)), "{verb:?}");
        assert_eq!(stored.header("content-type"), sync.header("content-type"), "{verb:?}");
    }
}

#[tokio::test]
async fn a_watcher_sees_the_chunks_and_each_attempt() {
    let server = Server::with_config(&verbs(1, "idempotent = true\nmax_attempts = 2")).await;
    server.idle("verbs", 1).await;
    let path = submit(&server, &Verb::Count(5)).await;
    result(&server, &path).await;
    let chunks: Vec<_> =
        events(&server, &path).await.into_iter().filter(|(name, _)| name == "chunk").collect();
    let expected: Vec<_> = (0..5).map(|it| ("chunk".to_owned(), json!({"json": it.to_string()}))).collect();
    assert_eq!(chunks, expected);

    let file = server.scratch.path().join("once.txt");
    let path = submit(&server, &Verb::AbortOnce(file.display().to_string())).await;
    assert_eq!(result(&server, &path).await.status, 200);
    let events = events(&server, &path).await;
    let attempts =
        events.iter().filter(|(_, data)| data["state"] == "running").map(|(_, data)| &data["attempt"]);
    assert!(attempts.eq([&json!(1), &json!(2)]), "{events:?}");
    let returned = events.iter().any(|(_, data)| data["state"] == "queued" && data["attempt"] == 1);
    assert!(returned, "back in the queue in between: {events:?}");
}

#[tokio::test]
async fn a_running_job_is_cancelled_by_its_id_with_a_record_or_without() {
    let server = Server::of_verbs(2, "grace = \"20ms\"").await;
    let path = submit(&server, &Verb::Spin).await;
    server.busy("verbs", 1).await;
    let cancelled = request(server.address(), "DELETE", &path, &[], b"").await;
    assert_eq!(cancelled.status, 202);
    let result = result(&server, &path).await;
    assert_eq!((result.status, &result.problem()["outcome"]), (499, &json!("cancelled")));

    let sync = server.begin(&Verb::Obey).await;
    let running = async || {
        let workers = get(server.address(), "/v1/pools/verbs/workers").await.json();
        workers["workers"].as_array()?.iter().find_map(|worker| worker["job"].as_str().map(str::to_owned))
    };
    let id = eventually("a running job", running).await;
    let cancelled = request(server.address(), "DELETE", &format!("/v1/jobs/{id}"), &[], b"").await;
    assert_eq!((cancelled.status, &cancelled.json()["id"]), (202, &json!(id)));
    let answer = procpool_tests::http::finish(sync).await.unwrap();
    assert_eq!(answer.status, 499);
}

#[tokio::test]
async fn a_job_with_a_key_goes_on_when_its_client_hangs_up() {
    let server = Server::of_verbs(1, "").await;
    let (gate, log) = (server.scratch.path().join("gate.txt"), server.scratch.path().join("log.txt"));
    let line = format!("until test -e {gate:?}; do sleep .01; done; echo ran >> {log:?}");
    let body = serde_json::to_vec(&Verb::Shell(line)).unwrap();
    let headers = [JSON, ("Idempotency-Key", "hang-up")];
    let client = open(server.address(), "POST", "/v1/pools/verbs/jobs", &headers, &body).await;
    server.busy("verbs", 1).await;
    client.set_zero_linger().unwrap();
    drop(client);
    std::fs::write(&gate, "").unwrap();
    let again = [JSON, ("Idempotency-Key", "hang-up"), ("Prefer", "wait=30")];
    let answer = request(server.address(), "POST", "/v1/pools/verbs/jobs", &again, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "ran\n");
}

#[tokio::test]
async fn a_server_that_stops_lets_asynchronous_jobs_finish() {
    let mut server = Server::of_verbs(1, "").await;
    let log = server.scratch.path().join("log.txt");
    submit(&server, &Verb::Shell(format!("sleep .3; echo ran >> {log:?}"))).await;
    server.busy("verbs", 1).await;
    signal(server.pid(), Signal::TERM);
    assert!(server.ended().await.success());
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "ran\n");
}
