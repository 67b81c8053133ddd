//! Jobs of a cluster over HTTP: accepted, listed, cancelled, and what is refused.

use crate::stage::{Stage, accepted, ended, lines, log, submit};
use procpool_tests::eventually;
use procpool_tests::http::{get, request};
use procpool_tests::verbs::Verb;

fn echo() -> Verb {
    Verb::Echo("hello".into())
}

#[tokio::test]
async fn jobs_wait_for_a_node_and_any_front_lists_or_cancels_them() {
    let Some(stage) = Stage::start().await else { return };
    let (front, other) = (stage.front("").await, stage.front("").await);
    let (kept, dropped) = (accepted(&front, "once", &echo()).await, accepted(&front, "again", &echo()).await);
    let job = get(other.address(), &kept).await.json();
    assert_eq!(
        (&job["state"], &job["pool"], &job["durable"]),
        (&"queued".into(), &"once".into(), &true.into())
    );
    let listed = get(front.address(), "/v1/jobs?state=queued").await.json();
    assert_eq!(listed["jobs"].as_array().map(Vec::len), Some(2), "{listed}");
    let of_pool = get(front.address(), "/v1/jobs?pool=again").await.json();
    assert_eq!(of_pool["jobs"].as_array().map(Vec::len), Some(1), "{of_pool}");

    let cancelled = request(other.address(), "DELETE", &dropped, &[], b"").await;
    assert_eq!(cancelled.status, 202, "{}", cancelled.text());
    assert_eq!(get(front.address(), &dropped).await.json()["outcome"], "cancelled");
    let late = request(front.address(), "DELETE", &dropped, &[], b"").await;
    assert_eq!((late.status, late.problem()["outcome"].as_str()), (409, Some("cancelled")));

    let node = stage.node().await;
    let done = ended(&other, &kept).await;
    assert_eq!((&done["outcome"], &done["worker"]), (&"ok".into(), &serde_json::Value::Null));
    let result = get(other.address(), &format!("{kept}/result")).await;
    assert_eq!((result.status, result.text()), (200, "\"hello\""));
    assert_eq!(
        get(front.address(), "/v1/jobs?state=queued").await.json()["jobs"].as_array().map(Vec::len),
        Some(0)
    );

    // One that runs names its node, and is cancelled there.
    let long = accepted(&front, "once", &log(&stage, "long", 20_000_000)).await;
    eventually("its start", async || (!lines(&stage).is_empty()).then_some(())).await;
    let running = get(other.address(), &long).await.json();
    assert_eq!(
        (&running["state"], running["worker"].as_str()),
        (&"running".into(), Some(node.name.as_str()))
    );
    request(other.address(), "DELETE", &long, &[], b"").await;
    let job = ended(&front, &long).await;
    assert_eq!((&job["outcome"], &job["may_have_run"]), (&"cancelled".into(), &true.into()));
}

#[tokio::test]
async fn a_server_is_a_front_and_a_node_and_runs_synchronous_jobs_through_the_cluster() {
    let Some(stage) = Stage::start().await else { return };
    let both = stage.front("node = true").await;
    let front = stage.front("").await;
    for server in [&front, &both] {
        let answer = server.perform_in("once", &echo()).await;
        assert_eq!((answer.status, answer.text()), (200, "\"hello\""), "{answer:?}");
    }
    assert!(stage.hosts().await.iter().all(|(_, state)| state == "up"));
    let pools = get(front.address(), "/v1/pools").await.json();
    assert_eq!(pools["pools"].as_array().map(Vec::len), Some(2), "{pools}");
}

#[tokio::test]
async fn a_job_that_a_cluster_does_not_have_is_unknown() {
    let Some(stage) = Stage::start().await else { return };
    let front = stage.front("").await;
    let nobody = get(front.address(), "/v1/jobs/019a1c2e5b007d3f8a1b2c3d4e5f6071").await;
    assert_eq!(nobody.status, 404, "{}", nobody.text());
}

#[tokio::test]
async fn a_key_means_one_job_on_all_fronts_and_replays_look_as_on_one_machine() {
    let Some(stage) = Stage::start().await else { return };
    let (front, other) = (stage.front("").await, stage.front("").await);
    let jobs = "/v1/pools/once/jobs";
    let keyed = [("Idempotency-Key", "\"invoice-7\"")];
    let logged = log(&stage, "once", 0);
    let (one, two) =
        tokio::join!(submit(&front, jobs, &logged, &keyed), submit(&other, jobs, &logged, &keyed));
    assert_eq!((one.status, two.status), (202, 202), "{} {}", one.text(), two.text());
    let path = one.header("location").expect("a location").to_owned();
    assert_eq!(two.header("location"), Some(path.as_str()));

    let foreign = submit(&other, jobs, &echo(), &keyed).await;
    assert_eq!((foreign.status, &foreign.problem()["job"]), (422, &path.rsplit('/').next().unwrap().into()));
    assert!(
        foreign.text().contains("idempotency_mismatch") || foreign.text().contains("idempotency-mismatch")
    );
    let sync = [("Content-Type", "application/json"), keyed[0]];
    let body = serde_json::to_vec(&logged).unwrap();
    let in_use = request(other.address(), "POST", jobs, &sync, &body).await;
    assert_eq!((in_use.status, in_use.header("location")), (409, Some(path.as_str())), "{}", in_use.text());

    let _node = stage.node().await;
    assert_eq!(ended(&front, &path).await["outcome"], "ok");
    let replayed = request(other.address(), "POST", jobs, &sync, &body).await;
    assert_eq!((replayed.status, replayed.header("idempotent-replayed")), (200, Some("true")));
    let again = submit(&front, jobs, &logged, &keyed).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{}", again.text());
    assert_eq!(lines(&stage), ["once"]);
}

#[tokio::test]
async fn while_the_servers_are_away_nothing_is_accepted_and_nothing_is_lost() {
    let Some(mut stage) = Stage::start().await else { return };
    let front = stage.front("").await;
    let path = accepted(&front, "once", &log(&stage, "kept", 0)).await;
    stage.kill_server().await;
    eventually("the loss", async || (get(front.address(), "/readyz").await.status == 503).then_some(()))
        .await;
    let refused = submit(&front, "/v1/pools/once/jobs", &echo(), &[]).await;
    let problem = refused.problem();
    assert_eq!((refused.status, &problem["reason"]), (503, &"engine_unreachable".into()), "{problem}");
    assert_eq!((refused.header("retry-after"), &problem["may_have_run"]), (Some("1"), &false.into()));
    let looked = get(front.address(), &path).await;
    assert_eq!((looked.status, &looked.problem()["reason"]), (503, &"engine_unreachable".into()));
    assert_eq!(get(front.address(), "/livez").await.status, 200);

    stage.resume();
    eventually("the return", async || (get(front.address(), "/readyz").await.status == 200).then_some(()))
        .await;
    let _node = stage.node().await;
    assert_eq!(ended(&front, &path).await["outcome"], "ok");
}
