//! A node that is killed amid load, and one that ends in order.

use crate::stage::{Stage, accepted, ended, lines, log};
use procpool_tests::eventually;
use procpool_tests::http::request;
use rustix::process::Signal;
use std::collections::HashMap;

#[tokio::test]
async fn a_killed_node_loses_no_job_and_no_job_runs_twice_that_must_not() {
    const JOBS: usize = 160;
    let Some(stage) = Stage::start().await else { return };
    let front = stage.front("").await;
    let (mut doomed, other) = (stage.node().await, stage.node().await);
    let mut jobs = Vec::new();
    for number in 0..JOBS {
        let pool = if number % 2 == 0 { "once" } else { "again" };
        let line = format!("{pool}-{number}");
        let path = accepted(&front, pool, &log(&stage, &line, 100_000)).await;
        jobs.push((line, path));
    }
    eventually("load", async || (lines(&stage).len() >= 20).then_some(())).await;
    doomed.signal(Signal::KILL);
    doomed.ended().await;

    let mut outcomes = HashMap::new();
    for (line, path) in &jobs {
        let job = ended(&front, path).await;
        assert_eq!(job["durable"], true, "{job}");
        outcomes.insert(line.clone(), job["outcome"].as_str().unwrap_or_default().to_owned());
    }
    let mut runs: HashMap<String, usize> = HashMap::new();
    lines(&stage).into_iter().for_each(|line| *runs.entry(line).or_default() += 1);
    let mut crashed = 0;
    for (line, outcome) in &outcomes {
        let count = runs.get(line).copied().unwrap_or_default();
        if line.starts_with("again") || outcome == "ok" {
            assert_eq!((outcome.as_str(), count > 0), ("ok", true), "{line} ran {count} times");
        } else {
            assert_eq!(outcome, "crashed", "{line}");
            crashed += 1;
        }
        assert!(line.starts_with("again") || count <= 1, "{line} ran {count} times");
    }
    assert!(crashed <= 2, "the node had two workers of `once`, and {crashed} jobs crashed");
    stage.is(&doomed.name, "gone").await;
    stage.is(&other.name, "up").await;
    let table = stage.cluster(&["status"]).await.stdout;
    assert!(table.lines().any(|line| line.contains(&doomed.name) && line.contains(" gone ")), "{table}");
}

#[tokio::test]
async fn a_node_that_is_told_to_stop_finishes_its_job_and_has_left() {
    let Some(stage) = Stage::start().await else { return };
    let front = stage.front("").await;
    let mut node = stage.node().await;
    let path = accepted(&front, "once", &log(&stage, "last", 1_000_000)).await;
    eventually("its start", async || (!lines(&stage).is_empty()).then_some(())).await;
    let waits = accepted(&front, "again", &log(&stage, "later", 0)).await;
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await, Some(0));
    assert_eq!(ended(&front, &path).await["outcome"], "ok");
    assert_eq!(stage.hosts().await, [(node.name.clone(), "left".to_owned())]);
    let _next = stage.node().await;
    assert_eq!(ended(&front, &waits).await["outcome"], "ok");
    assert_eq!(lines(&stage).iter().filter(|line| *line == "last").count(), 1);
}

#[tokio::test]
async fn three_servers_of_which_one_dies_lose_no_job() {
    const JOBS: usize = 60;
    let Some(mut stage) = Stage::of_three().await else { return };
    let front = stage.front("").await;
    let _nodes = [stage.node().await, stage.node().await];
    let mut jobs = Vec::new();
    for number in 0..JOBS {
        if number == JOBS / 3 {
            stage.others[0].kill().await.unwrap();
        }
        let line = format!("once-{number}");
        jobs.push((accepted(&front, "once", &log(&stage, &line, 20_000)).await, line));
    }
    let mut ok = 0;
    for (path, _) in &jobs {
        ok += usize::from(ended(&front, path).await["outcome"] == "ok");
    }
    let lines = lines(&stage);
    for (_, line) in &jobs {
        assert!(lines.iter().filter(|it| *it == line).count() <= 1, "{line} ran twice");
    }
    assert!(ok >= JOBS - 4, "the nodes had four workers, and {} jobs were lost", JOBS - ok);

    // The leaders say so, as a copy may be behind. A stream that nobody uses may still be without one.
    for method in ["GET", "DELETE"] {
        eventually("a leader", async || {
            let path = "/v1/jobs/019a1c2e5b007d3f8a1b2c3d4e5f6071";
            let nobody = request(front.address(), method, path, &[], b"").await;
            assert!([404, 503].contains(&nobody.status), "{}", nobody.text());
            (nobody.status == 404).then_some(())
        })
        .await;
    }
}
