//! A pool under tokio's paused clock: its workers are real processes, and take real time.

use procpool::Pool;
use procpool_tests::library::{begin, echo, verbs};
use procpool_tests::process;
use procpool_tests::served::gone;
use procpool_tests::verbs::{Verb, Verbs};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Kills a worker amid a job, and has the next one do a job.
async fn is_replaced(pool: &Pool<Verbs>) {
    let (job, worker) = begin(pool, Verb::Spin).await;
    process::kill(worker);
    assert_eq!(job.await.unwrap_err().name(), "crashed");
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
    assert_ne!(pool.workers()[0].pid, Some(worker));
}

#[tokio::test(start_paused = true)]
async fn under_a_paused_clock_a_pool_starts_and_runs_jobs_and_replaces_workers() {
    let pool = verbs(1).start().await.unwrap();
    assert_eq!(pool.run(echo("paused")).await.unwrap(), "paused");
    // Longer than a paused clock takes to jump over any deadline.
    assert_eq!(pool.run(Verb::Nap(300_000)).await.unwrap(), "awake");
    is_replaced(&pool).await;
    assert_eq!(pool.status().deaths, 1);
    let pid = pool.workers()[0].pid.unwrap();
    pool.shutdown(Duration::from_secs(20)).await;
    gone(&[pid]).await;
}

#[tokio::test]
async fn a_clock_that_is_paused_later_hurts_no_pool_that_runs() {
    let pool = verbs(1).start().await.unwrap();
    assert_eq!(pool.run(echo("before")).await.unwrap(), "before");
    // Pausing needs a runtime of one thread, as this one is.
    tokio::time::pause();
    assert_eq!(pool.run(Verb::Nap(300_000)).await.unwrap(), "awake");
    is_replaced(&pool).await;
    tokio::time::resume();
    is_replaced(&pool).await;
}

/// Set in the environment of the process that has the pool.
const ROLE: &str = "PROCPOOL_TEST_PAUSED";

/// Not a test of its own: the process whose processor time the one below looks at.
#[tokio::test(start_paused = true)]
async fn the_host_whose_clock_is_paused() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let pool = verbs(1).start().await.unwrap();
    pool.run(echo("ready")).await.unwrap();
    eprintln!("\nready");
    // Until it is killed. Not a blocking task: while one runs, a paused clock does not jump.
    std::future::pending::<()>().await;
}

/// Less than 20 % of a processor is the promise, so here a time is asserted.
#[tokio::test]
async fn a_pool_that_waits_under_a_paused_clock_uses_next_to_no_processor() {
    let mut host = tokio::process::Command::new(std::env::current_exe().unwrap());
    host.args(["--exact", "paused::the_host_whose_clock_is_paused", "--nocapture"]).env(ROLE, "1");
    host.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut host = host.spawn().unwrap();
    let mut lines = BufReader::new(host.stderr.take().unwrap()).lines();
    while lines.next_line().await.unwrap().expect("the host is ready") != "ready" {}
    let pid = host.id().unwrap();
    let before = process::cpu_time(pid);
    // sleep: the time over which the processor is watched.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = process::cpu_time(pid) - before;
    assert!(spent < Duration::from_millis(200), "{spent:?} in 1 s");
}
