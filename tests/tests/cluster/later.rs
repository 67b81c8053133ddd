//! Jobs of a cluster that wait for their time, over HTTP.

use crate::stage::{Stage, ended, lines, log, submit};
use procpool_tests::http::{get, request};
use rustix::process::Signal;

#[tokio::test]
async fn a_job_waits_for_its_time_on_any_host_and_shows_it() {
    let Some(mut stage) = Stage::start().await else { return };
    let (front, other) = (stage.front("").await, stage.front("").await);
    let (mut node, keyed) = (stage.node().await, [("Idempotency-Key", "\"tomorrow\"")]);
    let later = "/v1/pools/once/jobs?delay=12s";
    let job = log(&stage, "later", 0);
    let sent = submit(&front, later, &job, &keyed).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    let path = sent.header("location").expect("a location").to_owned();
    let seen = get(other.address(), &path).await.json();
    let run_at = seen["run_at"].as_str().expect("a time").to_owned();
    assert_eq!((&seen["state"], &seen["may_have_run"]), (&"queued".into(), &false.into()), "{seen}");
    assert!(sent.json()["run_at"].as_str() <= Some(run_at.as_str()), "{}", sent.text());
    let again = submit(&other, later, &job, &keyed).await;
    assert_eq!((again.status, again.header("location")), (202, Some(path.as_str())), "{}", again.text());

    let next_year = submit(&front, "/v1/pools/once/jobs?run_at=2999-01-01T00:00:00Z", &job, &[]).await;
    assert_eq!(next_year.status, 400, "{}", next_year.text());
    let dropped = submit(&front, "/v1/pools/once/jobs?delay=1h", &log(&stage, "dropped", 0), &[]).await;
    let dropped = dropped.header("location").expect("a location").to_owned();
    assert_eq!(request(other.address(), "DELETE", &dropped, &[], b"").await.status, 202);
    let cancelled = get(front.address(), &dropped).await.json();
    assert_eq!((&cancelled["outcome"], &cancelled["may_have_run"]), (&"cancelled".into(), &false.into()));

    node.signal(Signal::KILL);
    node.ended().await;
    stage.kill_server().await;
    stage.resume();
    let _next = stage.node().await;
    let done = ended(&other, &path).await;
    assert_eq!((&done["outcome"], &done["attempt"]), (&"ok".into(), &1.into()), "{done}");
    // Both are times of the server, in one form.
    assert!(done["finished_at"].as_str() >= Some(run_at.as_str()), "{done} before {run_at}");
    assert_eq!(lines(&stage), ["later"]);
}
