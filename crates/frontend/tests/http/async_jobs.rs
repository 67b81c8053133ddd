//! Jobs that outlive their requests, with an engine of a few lines behind the frontend.

use crate::client::{Reply, soon};
use crate::fake::{Fake, ID_TEXT, Reaction};
use crate::outcomes::{Row, outcomes};
use crate::server::Server;
use procpool_frontend::{HttpConfig, OnDisconnect};
use procpool_protocol::engine::JobEvent;
use procpool_protocol::{JobError, JobId, Payload};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};

const JOBS: &str = "/v1/pools/fib/jobs";

/// Returns an engine with jobs that end when the test says so, and the ends of those that were submitted.
pub(crate) fn waiting() -> (Arc<Fake>, mpsc::UnboundedReceiver<oneshot::Sender<Result<Payload, JobError>>>) {
    let (submitted, ends) = mpsc::unbounded_channel();
    let engine = Fake::new(move |_| {
        let (end, ended) = oneshot::channel();
        submitted.send(end).unwrap();
        Reaction::Run(Box::pin(async { ended.await.expect("the test ends it") }))
    });
    (engine, ends)
}

/// Submits a job with these header lines.
pub(crate) async fn submit(server: &Server, headers: &str) -> Reply {
    server.post_as(JOBS, headers, "30").await
}

/// Submits an asynchronous job. Returns its path.
pub(crate) async fn submitted(server: &Server) -> String {
    let reply = submit(server, "Prefer: respond-async").await;
    assert_eq!(reply.status, 202, "{reply:?}");
    reply.header("location").expect("a location").to_owned()
}

/// Asks with these header lines.
pub(crate) async fn ask(server: &Server, method: &str, path: &str, headers: &str) -> Reply {
    server.ask(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).await
}

/// Waits for the result of a job.
pub(crate) async fn result(server: &Server, path: &str) -> Reply {
    ask(server, "GET", &format!("{path}/result"), "Prefer: wait=30\r\n").await
}

#[tokio::test]
async fn an_asynchronous_job_is_accepted_with_its_place_and_shows_how_it_ends() {
    let (engine, mut ends) = waiting();
    let events = engine.reporting_events();
    let server = Server::of(engine).await;
    let reply = submit(&server, "Prefer: respond-async").await;
    assert_eq!((reply.status, reply.header("preference-applied")), (202, Some("respond-async")), "{reply:?}");
    assert_eq!(reply.header("vary"), Some("Prefer"));
    let job = reply.json();
    let path = reply.header("location").unwrap().to_owned();
    assert_eq!(path, format!("/v1/jobs/{}", job["id"].as_str().unwrap()));
    assert_eq!(reply.header("job-id"), job["id"].as_str());
    let expected = json!({
        "id": job["id"], "pool": "fib", "state": "queued", "outcome": null, "may_have_run": false,
        "durable": false, "priority": "normal", "attempt": 0, "accepted_at": job["accepted_at"], "run_at": null,
        "started_at": null, "finished_at": null, "deadline_at": null, "expires_at": null, "progress": null, "worker": null,
        "problem": null, "rerun_of": null,
        "links": {"result": format!("{path}/result"), "events": format!("{path}/events")},
    });
    assert_eq!(job, expected);

    let unfinished = server.get(&format!("{path}/result")).await;
    assert_eq!((unfinished.status, unfinished.header("location")), (202, Some(path.as_str())));
    assert!(unfinished.header("retry-after").is_some());

    let etag = server.get(&path).await.header("etag").unwrap().to_owned();
    events.send(JobEvent::started(1, "fib-7")).unwrap();
    let running = ask(&server, "GET", &path, &format!("If-None-Match: {etag}\r\nPrefer: wait=30\r\n")).await;
    let job = running.json();
    assert_eq!(
        (&job["state"], &job["worker"], &job["attempt"]),
        (&json!("running"), &json!("fib-7"), &json!(1))
    );

    ends.recv().await.unwrap().send(Ok(Payload::json("832040"))).unwrap();
    drop(events);
    let reply = result(&server, &path).await;
    assert_eq!((reply.status, reply.text()), (200, "832040"));
    let job = server.get(&path).await.json();
    assert_eq!(
        (&job["state"], &job["outcome"], &job["may_have_run"]),
        (&json!("finished"), &json!("ok"), &json!(true))
    );
    assert!(job["finished_at"].is_string() && job["expires_at"].is_string(), "{job}");
}

/// Returns everything of an answer that does not name the job or the hour.
fn without_names(mut reply: Reply, path: &str) -> (u16, Vec<(String, String)>, String) {
    let id = path.rsplit('/').next().unwrap();
    let kept = |(name, _): &(String, String)| !["job-id", "date", "vary"].contains(&name.as_str());
    let body = reply.text().replace(id, "ID").replace(ID_TEXT, "ID");
    reply.headers.remove("content-length");
    (reply.status, reply.headers.into_iter().filter(kept).collect(), body)
}

#[tokio::test]
async fn a_result_is_byte_for_byte_what_the_synchronous_answer_would_have_been() {
    for Row(error, status, ..) in outcomes() {
        let name = error.name();
        let server = Server::of(Fake::ending(move |_| Err(error.clone()))).await;
        let path = format!("{JOBS}?timeout=7s");
        let sync = server.post(&path, "30").await;
        let location = server.post_as(&path, "Prefer: respond-async", "30").await;
        let location = location.header("location").unwrap();
        let (stored, record) = (result(&server, location).await, server.get(location).await.json());
        assert_eq!(stored.status, status, "{name}");
        let problem = stored.problem();
        assert_eq!(record["problem"], problem, "{name}");
        assert_eq!(record["may_have_run"], problem["may_have_run"], "{name}");
        assert_eq!(without_names(stored, location), without_names(sync, location), "{name}");
    }
    let server = Server::of(Fake::ending(|_| Ok(Payload::raw(&b"\x00picture"[..])))).await;
    let path = submitted(&server).await;
    let (stored, sync) = (result(&server, &path).await, server.post(JOBS, "30").await);
    assert_eq!(without_names(stored, &path), without_names(sync, &path));
}

#[tokio::test]
async fn a_client_waits_for_as_long_as_it_prefers_and_the_job_goes_on() {
    let (engine, mut ends) = waiting();
    let server = Server::of(engine).await;
    let late = submit(&server, "Prefer: wait=0").await;
    assert_eq!((late.status, late.header("preference-applied")), (202, Some("wait=0")));
    ends.recv().await.unwrap().send(Ok(Payload::json("1"))).unwrap();
    assert_eq!(result(&server, late.header("location").unwrap()).await.text(), "1");

    let ending = async { ends.recv().await.unwrap().send(Ok(Payload::json("2"))).unwrap() };
    let (in_time, ()) = tokio::join!(submit(&server, "Prefer: respond-async, wait=30"), ending);
    assert_eq!((in_time.status, in_time.text()), (200, "2"));
    assert_eq!(in_time.header("preference-applied"), Some("respond-async, wait=30"));
}

#[tokio::test]
async fn preferences_that_are_unknown_are_ignored() {
    let engine = Fake::echo();
    let server = Server::of(engine).await;
    for preference in ["return=minimal", "wait=soon", "respond-async-please", ""] {
        let reply = submit(&server, &format!("Prefer: {preference}")).await;
        assert_eq!((reply.status, reply.text()), (200, "30"), "{preference}");
        assert_eq!(reply.header("preference-applied"), None);
    }
}

#[tokio::test]
async fn a_poll_with_the_known_version_waits_for_a_change_or_says_that_there_is_none() {
    let (engine, mut ends) = waiting();
    let server = Server::of(engine).await;
    let path = submitted(&server).await;
    let known = server.get(&path).await.header("etag").unwrap().to_owned();
    for headers in [
        format!("If-None-Match: {known}\r\n"),
        format!("If-None-Match: \"x\", W/{known}\r\nPrefer: wait=0\r\n"),
    ] {
        let same = ask(&server, "GET", &path, &headers).await;
        assert_eq!((same.status, same.header("etag")), (304, Some(known.as_str())));
    }
    let long = format!("If-None-Match: {known}\r\nPrefer: wait=30\r\n");
    let ending = async { ends.recv().await.unwrap().send(Ok(Payload::json("1"))).unwrap() };
    let (changed, ()) = tokio::join!(ask(&server, "GET", &path, &long), ending);
    assert_eq!((changed.status, &changed.json()["state"]), (200, &json!("finished")));

    // A drain does not wait for the next change.
    let path = submitted(&server).await;
    let known = server.get(&path).await.header("etag").unwrap().to_owned();
    let mut connection = server.connect().await;
    let long = format!("If-None-Match: {known}\r\nPrefer: wait=3600\r\n");
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{long}\r\n")).await;
    let _end = ends.recv().await;
    server.health.draining();
    assert_eq!(connection.reply().await.status, 304);
    soon(server.stop()).await.unwrap();
}

#[tokio::test]
async fn a_cancel_by_id_reaches_the_engine_once_and_a_finished_job_is_not_cancelled() {
    let (engine, mut ends) = waiting();
    let server = Server::of(engine.clone()).await;
    let path = submitted(&server).await;
    let id: JobId = path.rsplit('/').next().unwrap().parse().unwrap();
    for _ in 0..2 {
        let reply = ask(&server, "DELETE", &path, "").await;
        assert_eq!((reply.status, &reply.json()["state"]), (202, &json!("queued")));
    }
    assert_eq!(*engine.cancelled.lock().unwrap(), [id]);
    let cancelled = JobError::cancelled(procpool_protocol::Stage::Queued);
    ends.recv().await.unwrap().send(Err(cancelled)).unwrap();
    assert_eq!((result(&server, &path).await).status, 499);
    let late = ask(&server, "DELETE", &path, "").await;
    assert_eq!((late.status, late.kind().as_str()), (409, "job_finished"));
    assert_eq!(late.problem()["outcome"], "cancelled");
}

#[tokio::test]
async fn a_job_that_ends_with_its_request_is_cancelled_by_its_id_and_has_no_record() {
    let engine = Fake::echo();
    let server = Server::of(engine).await;
    let path = format!("/v1/jobs/{ID_TEXT}");
    let reply = ask(&server, "DELETE", &path, "").await;
    assert_eq!((reply.status, &reply.json()["id"]), (202, &json!(ID_TEXT)));
    assert_eq!(server.get(&path).await.kind(), "unknown_job");
}

#[tokio::test]
async fn what_names_no_job_is_not_found_and_an_unknown_parameter_is_named() {
    let server = Server::of(Fake::echo()).await;
    let path = submitted(&server).await;
    let other = format!("/v1/jobs/{:032x}", 7);
    for path in ["/v1/jobs/7", "/v1/jobs/%F0%9F%A6%80", &other, &format!("{path}0")] {
        for (method, end) in [("GET", ""), ("GET", "/result"), ("DELETE", "")] {
            let reply = ask(&server, method, &format!("{path}{end}"), "").await;
            assert_eq!((reply.status, reply.kind().as_str()), (404, "unknown_job"), "{method} {path}{end}");
        }
    }
    let reply = server.get(&format!("{path}?full=1")).await;
    assert_eq!((reply.status, &reply.problem()["parameter"]), (400, &json!("full")));
}

#[tokio::test]
async fn a_result_that_is_not_held_reaches_who_waits_for_it_and_is_gone_for_others() {
    let server = Server::with(Fake::echo(), |config| config.jobs.max_result_bytes = 0).await;
    let waited = submit(&server, "Prefer: wait=30").await;
    assert_eq!((waited.status, waited.text()), (200, "30"));
    let path = format!("/v1/jobs/{}", waited.header("job-id").unwrap());
    let gone = server.get(&format!("{path}/result")).await;
    assert_eq!((gone.status, gone.kind().as_str()), (410, "result_expired"));
    assert_eq!(gone.problem()["outcome"], "ok");
    assert_eq!(server.get(&path).await.json()["state"], "finished");
}

#[tokio::test]
async fn inputs_that_are_kept_for_a_rerun_leave_room_for_bodies() {
    let engine = Fake::echo();
    let limits = |config: &mut HttpConfig| (config.max_body, config.max_bodies) = (10_000, 10_000);
    let server = Server::with(engine.clone(), limits).await;
    let input = format!("\"{}\"", "x".repeat(9_000));
    for _ in 0..5 {
        let reply = server.post_as(JOBS, "Prefer: wait=30", &input).await;
        assert!(reply.status == 200 && reply.text() == input, "{}", reply.status);
        // A pool forgets the input, which this engine remembers for its tests.
        engine.seen.lock().unwrap().clear();
        let again = format!("/v1/jobs/{}/rerun", reply.header("job-id").unwrap());
        let again = server.post_as(&again, "Prefer: wait=30", "").await;
        assert!(again.status == 200 && again.text() == input, "{}", again.status);
        engine.seen.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn a_refused_job_leaves_no_record_and_a_full_registry_refuses_jobs() {
    let refusal = procpool_protocol::outcome::Refusal::queue_full(1);
    let refuse =
        move |_| Reaction::Refuse(procpool_protocol::outcome::Refused::new("fib", refusal.clone()).into());
    let server = Server::of(Fake::new(refuse)).await;
    let reply = submit(&server, "Prefer: respond-async").await;
    assert_eq!((reply.status, &reply.problem()["reason"]), (503, &json!("queue_full")));

    let (engine, _ends) = waiting();
    let server = Server::with(engine, |config| {
        config.jobs.max_records = 1;
        config.jobs.max_keys = 1;
    })
    .await;
    submitted(&server).await;
    let reply = submit(&server, "Prefer: respond-async").await;
    assert_eq!((reply.status, &reply.problem()["reason"]), (503, &json!("registry_full")));
    assert!(reply.header("retry-after").is_some());
}

/// Submits a job with these header lines, hangs up, and returns whether the job still runs when another has ended.
async fn survives_hang_up(on_disconnect: OnDisconnect, headers: &str) -> bool {
    struct Flag(mpsc::UnboundedSender<&'static str>);
    impl Drop for Flag {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }
    let (said, mut hears) = mpsc::unbounded_channel();
    let release = Arc::new(tokio::sync::Notify::new());
    let theirs = release.clone();
    let engine = Fake::new(move |_| {
        let (flag, release) = (Flag(said.clone()), theirs.clone());
        said.send("started").unwrap();
        Reaction::Run(Box::pin(async move {
            release.notified().await;
            flag.0.send("ended").unwrap();
            Ok(Payload::json("1"))
        }))
    });
    let server = Server::with(engine, |config| config.on_disconnect = on_disconnect).await;
    let mut connection = server.connect().await;
    connection.send(crate::server::post_text(JOBS, headers, "30")).await;
    assert_eq!(soon(hears.recv()).await, Some("started"));
    connection.reset();
    if on_disconnect == OnDisconnect::Cancel && headers.is_empty() {
        return soon(hears.recv()).await == Some("ended");
    }
    // The server has seen that the client is gone once it has closed the connection; a probe is behind that.
    assert_eq!(server.get("/livez").await.status, 200);
    release.notify_one();
    soon(hears.recv()).await == Some("ended")
}

#[tokio::test]
async fn a_hang_up_cancels_a_job_without_a_key_and_no_other() {
    let none = "";
    assert!(!survives_hang_up(OnDisconnect::Cancel, none).await);
    assert!(survives_hang_up(OnDisconnect::Detach, none).await);
    for headers in ["Idempotency-Key: k", "Prefer: wait=30", "Idempotency-Key: k\r\nPrefer: wait=30"] {
        assert!(survives_hang_up(OnDisconnect::Cancel, headers).await, "{headers}");
    }
}

#[tokio::test]
async fn the_input_of_a_job_reaches_the_engine_as_that_of_a_synchronous_one() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let theirs = seen.clone();
    let engine = Fake::ending(move |job| {
        theirs.lock().unwrap().push(format!("{job:?}"));
        Ok(job.input)
    });
    let server = Server::of(engine).await;
    let path = format!("{JOBS}?timeout=3s&priority=low&tenant=a&usage=true");
    server.post(&path, "[1]").await;
    let reply = server.post_as(&path, "Prefer: respond-async", "[1]").await;
    assert_eq!(reply.json()["priority"], Value::from("low"));
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0], seen[1]);
}
