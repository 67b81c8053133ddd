//! Workers that somebody has stopped (F05). Within two seconds is the promise, so here a time is asserted.

use procpool::status::WorkerState;
use procpool_tests::library::{echo, idle, verbs};
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const PROMISED: Duration = Duration::from_secs(2);

#[tokio::test]
async fn an_idle_worker_that_is_stopped_is_found_and_replaced_within_two_seconds() {
    let pool = verbs(1).start().await.unwrap();
    let pid = pool.workers()[0].pid.unwrap();
    process::signal(pid, Signal::STOP);
    let stopped = Instant::now();
    let replaced = async || {
        let workers = pool.workers();
        workers
            .iter()
            .any(|worker| worker.state == WorkerState::Idle && worker.pid != Some(pid))
            .then_some(())
    };
    eventually("another worker", replaced).await;
    let took = stopped.elapsed();
    assert!(took < PROMISED, "{took:?}");
    assert!(!process::is_alive(pid));
    assert_eq!(pool.run(echo("on we go")).await.unwrap(), "on we go");
}

#[tokio::test]
async fn a_job_that_goes_to_a_stopped_worker_is_in_the_end_run_by_another() {
    let pool = verbs(2).start().await.unwrap();
    idle(&pool, 2).await;
    let pids: Vec<_> = pool.workers().iter().filter_map(|worker| worker.pid).collect();
    process::signal(pids[0], Signal::STOP);
    eventually("two workers that run", async || {
        let now: Vec<_> = pool.workers().iter().filter_map(|worker| worker.pid).collect();
        (pool.status().workers.idle == 2 && !now.contains(&pids[0])).then_some(())
    })
    .await;
    for text in ["one", "two", "three"] {
        assert_eq!(pool.run(echo(text)).await.unwrap(), text);
    }
}
