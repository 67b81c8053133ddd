//! A worker executable that is replaced while it serves: by one that works, and by several that do not.

use procpool::error::ReloadError;
use procpool::status::WorkerState;
use procpool::{Pool, PoolBuilder};
use procpool_tests::binaries::binary;
use procpool_tests::library::{echo, idle};
use procpool_tests::replaceable::Replaceable;
use procpool_tests::server::{Scratch, Server, TAKES_ORDERS};
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::process::Command;

fn pool(worker: &Replaceable, workers: usize, args: &[&str]) -> PoolBuilder<Verbs> {
    Pool::builder(worker.executable(args)).workers(workers..=workers).start_timeout(Duration::from_secs(1))
}

/// Sends jobs, a few at a time, until told to stop; gives how many went well, and every error.
async fn load(pool: Pool<Verbs>, stop: Arc<AtomicBool>) -> (usize, Vec<String>) {
    let (mut done, mut errors) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        match pool.run(Verb::Pid).await {
            Ok(_) => done += 1,
            Err(error) => errors.push(error.to_string()),
        }
    }
    (done, errors)
}

#[tokio::test]
async fn a_rolling_reload_under_load_fails_no_job_and_keeps_the_pool_at_strength() {
    let worker = Replaceable::new("verbs");
    let pool = pool(&worker, 4, &[]).start().await.unwrap();
    idle(&pool, 4).await;
    let stop = Arc::new(AtomicBool::new(false));
    let fewest = Arc::new(AtomicUsize::new(usize::MAX));
    let clients: Vec<_> = (0..6).map(|_| tokio::spawn(load(pool.clone(), stop.clone()))).collect();
    let watcher = {
        let (pool, stop, fewest) = (pool.clone(), stop.clone(), fewest.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let workers = pool.status().workers;
                fewest.fetch_min(workers.idle + workers.busy, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        })
    };
    for generation in 1..=5 {
        let before: Vec<_> = pool.workers().iter().map(|worker| worker.id.clone()).collect();
        worker.become_binary("verbs");
        assert_eq!(pool.reload().await.unwrap().generation, generation);
        let left = async || pool.workers().iter().all(|worker| !before.contains(&worker.id)).then_some(());
        eventually("the end of all workers from before", left).await;
        assert!(pool.workers().iter().all(|worker| worker.generation == generation));
    }
    stop.store(true, Ordering::Relaxed);
    let mut done = 0;
    for client in clients {
        let (more, errors) = client.await.unwrap();
        assert_eq!(errors, [] as [String; 0]);
        done += more;
    }
    watcher.await.unwrap();
    assert!(done > 0);
    assert!(fewest.load(Ordering::Relaxed) >= 3, "{fewest:?} ready, of four");
    assert_eq!((pool.status().deaths, pool.status().workers.idle), (0, 4));
}

#[tokio::test]
async fn a_running_job_is_finished_by_the_worker_from_before() {
    let worker = Replaceable::new("verbs");
    let pool = pool(&worker, 1, &[]).start().await.unwrap();
    let file = worker.path().with_extension("go");
    let job = pool.try_submit(Verb::WaitFor(file.display().to_string())).unwrap();
    eventually("the job to run", async || (pool.status().running == 1).then_some(())).await;
    let reloading = tokio::spawn({
        let pool = pool.clone();
        async move { pool.reload().await }
    });
    let new = async || {
        pool.workers().iter().any(|it| it.generation == 1 && it.state == WorkerState::Idle).then_some(())
    };
    eventually("a worker of the new make", new).await;
    assert_eq!(pool.run(echo("meanwhile")).await.unwrap(), "meanwhile");
    assert!(!reloading.is_finished());
    std::fs::write(&file, "").unwrap();
    assert_eq!(job.await.unwrap(), file.display().to_string());
    assert_eq!(reloading.await.unwrap().unwrap().generation, 1);
}

#[tokio::test]
async fn a_broken_make_changes_nothing_and_is_reported() {
    let worker = Replaceable::new("verbs");
    let pool = pool(&worker, 2, &["wrong_version"]).start().await.unwrap();
    idle(&pool, 2).await;
    let before: Vec<_> = pool.workers().iter().map(|worker| worker.pid).collect();
    let refused = async |words: &str| match pool.reload().await {
        Err(ReloadError::Canary { reason, .. }) => assert!(reason.contains(words), "{reason}"),
        other => panic!("{words}: {other:?}"),
    };
    worker.become_script("echo no such model >&2; exit 1");
    refused("no such model").await;
    worker.become_script("exec sleep 1000");
    refused("not being introduced within 1s").await;
    // Until now the argument was of no interest to the worker.
    worker.become_binary("misbehave");
    refused("speaks protocol version 99 to 99").await;
    worker.become_binary("procpool-ping");
    refused("job `verbs`").await;
    worker.vanish();
    assert!(matches!(pool.reload().await, Err(ReloadError::Executable { .. })));

    assert_eq!(pool.workers().iter().map(|worker| worker.pid).collect::<Vec<_>>(), before);
    assert_eq!((pool.status().generation, pool.status().deaths), (0, 4), "four canaries, and nobody else");
    process::kill(before[0].unwrap());
    eventually("a worker less", async || (!process::is_alive(before[0].unwrap())).then_some(())).await;
    idle(&pool, 2).await;
    assert_eq!(
        pool.run(echo("as before")).await.unwrap(),
        "as before",
        "restarts are of the make that works"
    );
}

#[tokio::test]
async fn of_many_reloads_at_once_the_last_wins() {
    let worker = Replaceable::new("verbs");
    let pool = pool(&worker, 2, &[]).start().await.unwrap();
    let mut reloads = Vec::new();
    for gap in 0..25 {
        let pool = pool.clone();
        reloads.push(tokio::spawn(async move { pool.reload().await }));
        // sleep: the gaps between the reloads are what is tested.
        tokio::time::sleep(Duration::from_millis(gap)).await;
    }
    let mut outcomes = Vec::new();
    for reload in reloads {
        outcomes.push(reload.await.unwrap());
    }
    assert_eq!(outcomes.last().unwrap().as_ref().unwrap().generation, 25);
    let others = outcomes.iter().all(|it| matches!(it, Ok(_) | Err(ReloadError::Superseded { .. })));
    assert!(others, "{outcomes:?}");
    idle(&pool, 2).await;
    let mut workers = pool.workers();
    workers.retain(|worker| worker.state != WorkerState::Retiring);
    assert!(workers.iter().all(|worker| worker.generation == 25), "{workers:?}");
    assert_eq!(pool.status().deaths, 0);
}

/// Returns a server of one pool of that file, without a terminal.
async fn server(worker: &Replaceable) -> Server {
    let config = format!(
        "{TAKES_ORDERS}[pools.verbs]\ncommand = [{:?}]\nmin_workers = 2\nmax_workers = 2\n",
        worker.path()
    );
    let mut command = Command::new("setsid");
    command.arg(binary("procpool"));
    let server = Server::by_command(command, Scratch::new(), &config).await;
    server.idle("verbs", 2).await;
    server
}

async fn at_generation(server: &Server, generation: u64) {
    let reached = async || {
        let pool = server.pool("verbs").await;
        (pool["generation"] == generation && pool["reloading"] == false).then_some(())
    };
    eventually("the new make in service", reached).await;
    server.idle("verbs", 2).await;
}

#[tokio::test]
async fn a_reload_by_http_is_answered_with_what_came_of_it() {
    let worker = Replaceable::new("verbs");
    let server = server(&worker).await;
    let reload = async |pool: &str| server.order(&format!("/v1/pools/{pool}/reload")).await;
    let answer = reload("verbs").await;
    let same = serde_json::json!({"pool": "verbs", "generation": 1, "same_file": true});
    assert_eq!((answer.status, answer.json()), (200, same));
    at_generation(&server, 1).await;

    worker.become_script("exit 7");
    let answer = reload("verbs").await;
    let problem = answer.problem();
    assert_eq!((answer.status, &problem["reason"]), (502, &"canary".into()));
    assert!(problem["detail"].as_str().unwrap().contains("exit code 7"), "{problem}");
    assert_eq!(server.perform(&echo("as before")).await.text(), "\"as before\"");
    assert_eq!(reload("nobody").await.status, 404);
}

#[tokio::test]
async fn a_hang_up_signal_reloads_every_pool() {
    let worker = Replaceable::new("verbs");
    let server = server(&worker).await;
    process::signal(server.pid(), Signal::HUP);
    at_generation(&server, 1).await;
    worker.become_script("exit 1");
    process::signal(server.pid(), Signal::HUP);
    assert_eq!(server.perform(&echo("as before")).await.text(), "\"as before\"");
    worker.become_binary("verbs");
    process::signal(server.pid(), Signal::HUP);
    // The bad make had a number, too.
    at_generation(&server, 3).await;
}
