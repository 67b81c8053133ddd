//! Hosts that leave their children no parent: SIGCHLD ignored, or every child waited for.

use procpool_tests::host::Host;
use procpool_tests::{eventually, process};
use tokio::process::Command;

/// Jobs run commands and hear how they end; a worker that is killed is replaced, again and again.
async fn lives_with_its_worker(mut host: Host) -> String {
    assert_eq!(host.ask("run exit 7").await, "exit status: 7");
    let mut workers = vec![host.worker().await];
    for deaths in 1..=3 {
        workers.push(host.replaced().await);
        assert_eq!(host.ask("deaths").await, deaths.to_string());
        assert_eq!(host.ask("run kill -9 $$").await, "signal: 9 (SIGKILL)");
    }
    workers.sort_unstable();
    workers.dedup();
    assert_eq!(workers.len(), 4, "{workers:?}");
    let pid = host.pid();
    eventually("an end of zombies", async || process::zombies(pid).is_empty().then_some(())).await;
    let crashed = host.ask("run kill -9 $PPID").await;
    assert!(crashed.starts_with("the worker crashed"), "{crashed}");
    assert_eq!(host.ask("run true").await, "exit status: 0");
    crashed
}

#[tokio::test]
async fn a_host_that_ignores_the_deaths_of_its_children_has_workers_as_any_other() {
    let mut command = Command::new("/usr/bin/env");
    command.arg("--ignore-signal=CHLD");
    let crashed = lives_with_its_worker(Host::by(command)).await;
    assert!(
        crashed.contains("this process was not told of") && crashed.contains("ignores SIGCHLD"),
        "{crashed}"
    );
}

#[tokio::test]
async fn a_host_that_waits_for_every_child_has_workers_as_any_other() {
    let mut host = Host::by(Command::new("/usr/bin/env"));
    assert_eq!(host.ask("reap").await, "reaps");
    lives_with_its_worker(host).await;
}
