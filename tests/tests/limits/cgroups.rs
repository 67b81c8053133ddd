//! Limits of processes for workers of root, whom `RLIMIT_NPROC` does not count: a control group around each.

use crate::bombs::{
    PROCESSES, a_bomb_is_contained_by, greedy, three_greedy, three_greedy_workers_harm_nobody_on,
};
use procpool::error::StartError;
use procpool::{Executable, Pool, PoolError};
use procpool_needs::{Need, skip};
use procpool_tests::binaries::binary;
use procpool_tests::library::verbs;
use procpool_tests::server::Server;
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use std::path::PathBuf;

/// Returns whether worker cgroups can be made here; if not, the reason has been told, and is the right one.
async fn are_made() -> bool {
    if !rustix::process::geteuid().is_root() {
        skip(Need::Root, "workers of this user are counted by RLIMIT_NPROC");
        return false;
    }
    let started = verbs(1).process_limit(u64::from(PROCESSES)).start().await;
    let Err(error) = started else { return true };
    let error = error.to_string();
    assert!(error.contains("process_limit") && error.contains("no cgroup can be made that does"), "{error}");
    skip(Need::Cgroups, error);
    false
}

/// Returns the directory of a worker's cgroup, where its hierarchy is mounted in the usual place.
fn cgroup_of(worker: u32) -> PathBuf {
    let groups = std::fs::read_to_string(format!("/proc/{worker}/cgroup")).expect("a living worker");
    let group = groups.lines().find_map(|line| line.split_once("/procpool-")).expect("a cgroup");
    let (hierarchy, name) = group;
    let (controllers, above) = hierarchy.split_once(':').unwrap().1.split_once(':').unwrap();
    ["/sys/fs/cgroup", controllers, above.trim_matches('/'), &format!("procpool-{name}")].iter().collect()
}

async fn server() -> Server {
    let server =
        Server::with_config(&greedy("verbs", &binary("verbs"), &format!("process_limit = {PROCESSES}")))
            .await;
    server.idle("verbs", 1).await;
    server
}

#[tokio::test]
async fn a_fork_bomb_of_root_is_contained_by_its_cgroup() {
    if are_made().await {
        a_bomb_is_contained_by(&server().await).await;
    }
}

#[tokio::test]
async fn three_greedy_workers_of_root_leave_livez_answering() {
    if are_made().await {
        let server = Server::with_config(&three_greedy(&binary("verbs"))).await;
        three_greedy_workers_harm_nobody_on(&server).await;
    }
}

#[tokio::test]
async fn a_worker_is_in_its_pen_before_it_is_told_anything() {
    if are_made().await {
        let shell = Executable::path("/bin/sh").unwrap();
        let tell = "head -c 17 <&3 >/dev/null; cat /proc/$$/cgroup >&2; exit 7";
        let pool = Pool::<Verbs>::builder(shell.with_args(["-c", tell])).process_limit(9);
        let error = pool.start().await.unwrap_err();
        let PoolError::Start(StartError::Died { report, .. }) = error else { panic!("not a death: {error}") };
        let cgroup = format!("/procpool-{}-", std::process::id());
        assert!(report.stderr.iter().any(|line| line.contains(&cgroup)), "{report:?}");
    }
}

#[tokio::test]
async fn a_descendant_that_left_group_and_session_dies_with_its_worker() {
    if are_made().await {
        let server = server().await;
        let escaped: u32 = server.perform(&Verb::Escape).await.json().as_str().unwrap().parse().unwrap();
        eventually("the escape", async || process::of_group(escaped).contains(&escaped).then_some(())).await;
        let worker = server.workers("verbs").await[0];
        let cgroup = cgroup_of(worker);
        assert_eq!(std::fs::read_to_string(cgroup.join("pids.max")).unwrap().trim(), PROCESSES.to_string());

        process::kill(worker);
        eventually("its end", async || (!process::is_alive(escaped)).then_some(())).await;
        eventually("the end of the cgroup", async || (!cgroup.exists()).then_some(())).await;
        server.idle("verbs", 1).await;
    }
}

#[tokio::test]
async fn pens_are_gone_when_the_server_is() {
    if are_made().await {
        let mut server = server().await;
        let cgroup = cgroup_of(server.workers("verbs").await[0]);
        assert!(cgroup.exists());
        process::signal(server.pid(), Signal::TERM);
        assert!(server.ended().await.success());
        assert!(!cgroup.exists());
    }
}

#[tokio::test]
async fn what_a_killed_server_leaves_in_a_cgroup_is_swept_by_the_next() {
    if are_made().await {
        let server = server().await;
        let escaped: u32 = server.perform(&Verb::Escape).await.json().as_str().unwrap().parse().unwrap();
        eventually("the escape", async || process::of_group(escaped).contains(&escaped).then_some(())).await;
        let cgroup = cgroup_of(server.workers("verbs").await[0]);
        process::kill(server.pid());
        drop(server);

        // It may be anybody's that is started at this time.
        let _next = self::server().await;
        eventually("its end", async || (!process::is_alive(escaped)).then_some(())).await;
        eventually("the end of the cgroup", async || (!cgroup.exists()).then_some(())).await;
    }
}
