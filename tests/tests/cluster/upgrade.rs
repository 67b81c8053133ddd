//! A rolling upgrade with another contract: the file and the executable of a pool change, host by host.

use crate::stage::{Node, Stage, accepted, ended, lines, log};
use procpool_tests::binaries::binary;
use procpool_tests::eventually;
use procpool_tests::http::get;
use procpool_tests::verbs::Verb;
use rustix::process::Signal;

/// Starts a node whose workers of `once` have the next version of the contract.
async fn upgraded(stage: &Stage) -> Node {
    let verbs = format!("{:?}", binary("verbs"));
    let next = stage.config("").replacen(&verbs, &format!("{:?}", binary("upgraded")), 1);
    stage.node_of(&stage.scratch.write("next.toml", &next)).await
}

#[tokio::test]
async fn a_host_with_another_contract_waits_for_the_last_one_with_the_old() {
    let Some(stage) = Stage::start().await else { return };
    let front = stage.front("").await;
    let mut old = stage.node().await;
    let runs = accepted(&front, "once", &log(&stage, "old", 3_000_000)).await;
    eventually("its start", async || (!lines(&stage).is_empty()).then_some(())).await;

    let new = upgraded(&stage).await;
    let told = eventually("the status of the new node", async || {
        let table = stage.cluster(&["status"]).await.stdout;
        let line = table.lines().find(|line| line.contains(" is not in pool once: "));
        line.map(|line| (line.to_owned(), table.clone()))
    })
    .await;
    assert!(told.0.starts_with(&new.name), "{}", told.1);
    for words in ["job `verbs` version 2", "live nodes run job `verbs` version 1"] {
        assert!(told.0.contains(words), "{}", told.1);
    }
    let slots = told.1.lines().find(|line| line.starts_with(&new.name)).unwrap_or_default();
    assert!(slots.contains("again:2") && !slots.contains("once:2"), "{slots}");
    let doctor = stage.cluster(&["doctor"]).await;
    let note = format!("note     node {} has not joined pool `once`", new.name);
    assert!(doctor.code == Some(0) && doctor.stdout.contains(&note), "{doctor:?}");

    // The old one runs the jobs of its contract alone, until it ends.
    let still = accepted(&front, "once", &Verb::Echo("hello".into())).await;
    ended(&front, &still).await;
    assert_eq!(get(front.address(), &format!("{still}/result")).await.text(), "\"hello\"");
    old.signal(Signal::TERM);
    assert_eq!(old.ended().await, Some(0));
    assert_eq!(ended(&front, &runs).await["outcome"], "ok");

    eventually("the new node has joined", async || {
        let table = stage.cluster(&["status"]).await.stdout;
        table.lines().any(|line| line.starts_with(&new.name) && line.contains("once:2")).then_some(())
    })
    .await;
    let front = stage.front("").await;
    let next = accepted(&front, "once", &Verb::Echo("hello".into())).await;
    ended(&front, &next).await;
    let answer = get(front.address(), &format!("{next}/result")).await.text().to_owned();
    assert!(answer.contains("version 2"), "{answer}");
}
