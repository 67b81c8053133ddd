//! `procpool cluster` and the starts that fail.

use crate::stage::Stage;
use procpool_tests::binaries::binary;
use procpool_tests::eventually;
use procpool_tests::program::finish;
use tokio::process::Command;

#[tokio::test]
async fn a_doctor_names_what_is_missing_and_init_creates_it_once() {
    let Some(stage) = Stage::empty() else { return };
    let sick = eventually("an answer", async || {
        let said = stage.cluster(&["doctor"]).await;
        said.stdout.contains("nats-server 2.").then_some(said)
    })
    .await;
    assert_eq!(sick.code, Some(1), "{sick:?}");
    let missing =
        |line: &&str| line.starts_with("problem  PP_procpool_") && line.contains("`procpool cluster init`");
    // Four streams and three consumers of each pool, and the streams of hosts, contracts, schedules, keys and dead
    // letters.
    assert_eq!(sick.stdout.lines().filter(missing).count(), 19, "{}", sick.stdout);
    assert!(sick.stdout.contains("note     replicas = 1"), "{}", sick.stdout);

    let mut command = Command::new(binary("procpool"));
    let file = stage.scratch.path().join("procpool.toml");
    let early = finish(command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&file)).await;
    assert!(early.code == Some(1) && early.stderr.contains("`procpool cluster init` creates"), "{early:?}");

    let created = stage.cluster(&["init"]).await;
    assert_eq!((created.code, created.stdout.lines().count()), (Some(0), 19), "{created:?}");
    assert!(stage.cluster(&["init"]).await.stdout.starts_with("nothing to create"));
    assert!(stage.cluster(&["status"]).await.stdout.starts_with("no node"));
    let alone = stage.cluster(&["doctor"]).await;
    assert!(alone.code == Some(1) && alone.stdout.contains("pool `once` has no node"), "{alone:?}");
    let node = stage.node().await;
    stage.is(&node.name, "up").await;
    let well = stage.cluster(&["doctor"]).await;
    assert!(well.code == Some(0) && well.stdout.contains("pool `once` runs 2 jobs at a time"), "{well:?}");
}

#[tokio::test]
async fn without_a_server_every_start_ends_with_its_address() {
    let Some(mut stage) = Stage::empty() else { return };
    stage.kill_server().await;
    let file = stage.scratch.path().join("procpool.toml");
    let address = format!("nats://127.0.0.1:{}", stage.port);
    for args in
        [&["serve", "--listen", "127.0.0.1:0"][..], &["node"], &["cluster", "status"], &["cluster", "init"]]
    {
        let mut command = Command::new(binary("procpool"));
        let ended = finish(command.args(args).arg("--config").arg(&file)).await;
        let says = ended.stderr.contains(&format!("cannot connect to {address}"));
        assert!(ended.code == Some(1) && says, "{args:?}: {ended:?}");
    }
    let sick = stage.cluster(&["doctor"]).await;
    assert!(sick.code == Some(1) && sick.stdout.contains("see whether nats-server runs there"), "{sick:?}");
    std::fs::write(&file, "[pools.fib]\ncommand = \"sh\"\n").unwrap();
    let none = stage.cluster(&["status"]).await;
    assert!(none.code == Some(1) && none.stderr.contains("has no cluster; add one: [cluster]"), "{none:?}");
}
