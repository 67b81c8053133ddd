//! Dead letters over HTTP: one runs again, from any server, and all that match do.

use crate::stage::{Stage, accepted, ended};
use procpool_tests::http::{get, request};
use procpool_tests::verbs::Verb;

#[tokio::test]
async fn a_dead_job_runs_again_and_one_that_ended_well_does_not() {
    let Some(stage) = Stage::start().await else { return };
    let (front, other) = (stage.front("").await, stage.front("").await);
    let _node = stage.node().await;
    let file = |name: &str| stage.scratch.path().join(name).display().to_string();
    let dead = accepted(&front, "once", &Verb::AbortOnce(file("first"))).await;
    assert_eq!(ended(&front, &dead).await["outcome"], "crashed");

    let again = request(other.address(), "POST", &format!("{dead}/rerun"), &[], b"").await;
    assert_eq!(again.status, 202, "{}", again.text());
    let again = again.header("location").expect("a location").to_owned();
    let job = ended(&other, &again).await;
    let id = dead.rsplit('/').next().unwrap();
    assert_eq!((&job["outcome"], job["rerun_of"].as_str()), (&"ok".into(), Some(id)), "{job}");
    let well = request(other.address(), "POST", &format!("{again}/rerun"), &[], b"").await;
    assert_eq!(well.status, 410, "{}", well.text());
    assert!(well.text().contains("input"), "{}", well.text());

    let second = accepted(&front, "again", &Verb::Break("no".into())).await;
    assert_eq!(ended(&front, &second).await["outcome"], "broke");
    let listed = get(front.address(), "/v1/jobs?state=dead").await.json();
    assert_eq!(listed["jobs"].as_array().map(Vec::len), Some(2), "{listed}");
    let order = br#"{"filter": {"pool": "again", "state": "dead"}}"#;
    let json = [("Content-Type", "application/json")];
    let reruns = request(front.address(), "POST", "/v1/jobs/rerun", &json, order).await.json();
    assert_eq!((&reruns["matched"], &reruns["rerun"]), (&1.into(), &1.into()), "{reruns}");
}
