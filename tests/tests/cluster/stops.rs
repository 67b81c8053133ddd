//! A node that is stopped for longer than its lease: it cannot kill its jobs, and its results are refused.

use crate::stage::{Pair, Stage, accepted, ended, workers};
use procpool_tests::eventually;
use procpool_tests::process::is_alive;
use procpool_tests::verbs::Verb;
use rustix::process::Signal;
use std::fs::write;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The time for which it is stopped. The lease is 3 s.
const STOP: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_node_that_was_stopped_for_longer_than_its_lease_changes_no_outcome() {
    let Some(stage) = Stage::start().await else { return };
    let front = stage.front("").await;
    let stopped = stage.node().await;
    let pair = Pair::begin(&stage, &front).await;
    let mut other = stage.node().await;

    stopped.signal(Signal::STOP);
    let until = Instant::now() + STOP;
    // Its worker runs on, and ends the job now.
    write(stage.scratch.path().join("gate"), "").unwrap();
    pair.has_ended(&stage, &front).await;
    stage.is(&stopped.name, "gone").await;
    // The other one runs on, too: nobody is there to kill it.
    let worker = workers(&stage, "once")[0];
    assert!(is_alive(worker));

    // sleep: the stop itself.
    sleep_until(until).await;
    stopped.signal(Signal::CONT);
    stage.is(&stopped.name, "up").await;
    eventually("its refused results", async || {
        let refused = stage.figure(&stopped.name, "late").await + stage.figure(&stopped.name, "fenced").await;
        (refused >= 2).then_some(())
    })
    .await;
    assert!(!is_alive(worker), "it is killed before anything else");
    pair.has_ended(&stage, &front).await;
    other.signal(Signal::TERM);
    assert_eq!(other.ended().await, Some(0));
    let next = accepted(&front, "once", &Verb::Echo("hello".into())).await;
    assert_eq!(ended(&front, &next).await["outcome"], "ok");
}
