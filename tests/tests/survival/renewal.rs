//! F01 and F18 while workers are being replaced: killed as the first of a new make, as one of the old ones, or told to
//! exit; and a server that is told to stop amid a reload.

use crate::recovers;
use procpool::Pool;
use procpool::error::ReloadError;
use procpool::status::WorkerStatus;
use procpool::status::{ReloadReport, WorkerState};
use procpool_tests::library::{echo, idle, outcomes, verbs};
use procpool_tests::replaceable::Replaceable;
use procpool_tests::server::{Server, TAKES_ORDERS};
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, http, process};
use rustix::process::Signal;
use std::path::PathBuf;
use tokio::task::JoinHandle;

/// A make that does not get ready.
const HANGS: &str = "exec sleep 1000";

fn reload(pool: &Pool<Verbs>) -> JoinHandle<Result<ReloadReport, ReloadError>> {
    let pool = pool.clone();
    tokio::spawn(async move { pool.reload().await })
}

/// Returns the one worker of this generation that is in this state.
async fn worker(pool: &Pool<Verbs>, generation: u64, state: WorkerState) -> u32 {
    let is_it = |worker: &WorkerStatus| worker.generation == generation && worker.state == state;
    eventually("such a worker", async || pool.workers().iter().find(|it| is_it(it))?.pid).await
}

#[tokio::test]
async fn a_canary_that_is_killed_changes_nothing_and_the_next_reload_is_a_new_one() {
    let file = Replaceable::new("verbs");
    let pool = Pool::builder(file.executable(&[])).workers(2..=2).start().await.unwrap();
    idle(&pool, 2).await;
    file.become_script(HANGS);
    let reloading = reload(&pool);
    process::kill(worker(&pool, 1, WorkerState::Starting).await);
    let error = reloading.await.unwrap().unwrap_err();
    assert!(matches!(error, ReloadError::Canary { .. }) && error.to_string().contains("SIGKILL"), "{error}");
    assert_eq!(pool.run(echo("as before")).await.unwrap(), "as before");

    file.become_binary("verbs");
    assert_eq!(pool.reload().await.unwrap().generation, 2);
    recovers(&pool, 2).await;
    assert_eq!(outcomes(&pool), [("ok", 2)]);
}

#[tokio::test]
async fn workers_that_are_killed_amid_a_reload_lose_their_jobs_and_hold_up_nobody() {
    let file = Replaceable::new("verbs");
    let pool = Pool::builder(file.executable(&[])).workers(2..=2).start().await.unwrap();
    idle(&pool, 2).await;
    let jobs = [pool.try_submit(Verb::Spin).unwrap(), pool.try_submit(Verb::Spin).unwrap()];
    eventually("both to run", async || (pool.status().running == 2).then_some(())).await;
    let old: Vec<_> = pool.workers().iter().filter_map(|worker| worker.pid).collect();
    let reloading = reload(&pool);
    let new = worker(&pool, 1, WorkerState::Idle).await;
    assert!(!reloading.is_finished(), "the old ones are busy");
    // The new one first: it has proven its make, and another one takes its place.
    for pid in [new, old[0], old[1]] {
        process::kill(pid);
    }
    assert_eq!(reloading.await.unwrap().unwrap().generation, 1);
    for job in jobs {
        assert_eq!(job.await.unwrap_err().name(), "crashed");
    }
    recovers(&pool, 2).await;
    assert!(pool.workers().iter().all(|worker| worker.generation == 1));
    assert_eq!(outcomes(&pool), [("crashed", 2), ("ok", 1)]);
}

#[tokio::test]
async fn a_worker_that_is_killed_when_it_has_done_its_share_costs_no_job() {
    let pool = verbs(2).recycle_jobs(1).start().await.unwrap();
    for number in 0..20 {
        let text = number.to_string();
        assert_eq!(pool.run(echo(&text)).await.unwrap(), text);
        // The worker that is about to go, if it is still there.
        for going in
            pool.workers().iter().filter(|it| it.state == WorkerState::Retiring).filter_map(|it| it.pid)
        {
            let _ = process::try_signal(going, Signal::KILL);
        }
    }
    recovers(&pool, 2).await;
    assert_eq!(outcomes(&pool), [("ok", 21)]);
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_amid_a_reload_tells_so_and_leaves_nothing() {
    let file = Replaceable::new("verbs");
    let config = format!("{TAKES_ORDERS}[pools.verbs]\ncommand = [{:?}]\nmax_workers = 2\n", file.path());
    let mut server = Server::with_config(&config).await;
    server.idle("verbs", 1).await;
    file.become_script(HANGS);
    let reloading = server.begin_order("/v1/pools/verbs/reload").await;
    let is_reloading = async || (server.pool("verbs").await["reloading"] == true).then_some(());
    eventually("the reload", is_reloading).await;
    process::signal(server.pid(), Signal::TERM);
    let problem = http::finish(reloading).await.unwrap().problem();
    assert_eq!(problem["reason"], "shutting_down", "{problem}");
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(server.scratch.leftovers(), [] as [PathBuf; 0]);
}
