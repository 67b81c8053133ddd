//! Workers that are replaced though nothing is wrong with them.

use procpool_tests::eventually;
use procpool_tests::library::{echo, idle, verbs};
use procpool_tests::verbs::Verb;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

#[tokio::test]
async fn after_its_share_of_jobs_a_worker_is_replaced_and_no_job_notices() {
    let pool = verbs(1).recycle_jobs(3).start().await.unwrap();
    let pids = Mutex::new(BTreeSet::new());
    eventually("the fifth worker", async || {
        let pid = pool.run(Verb::Pid).await.unwrap();
        let mut pids = pids.lock().unwrap();
        pids.insert(pid);
        (pids.len() >= 5).then_some(())
    })
    .await;
    assert_eq!(pool.status().deaths, 0, "who was asked to go did not die");
    idle(&pool, 1).await;
}

#[tokio::test]
async fn after_its_lifetime_a_worker_is_replaced() {
    let pool = verbs(1).recycle_lifetime(Duration::from_millis(200)).start().await.unwrap();
    let before = pool.workers()[0].id.clone();
    eventually("another worker", async || pool.workers().iter().all(|it| it.id != before).then_some(()))
        .await;
    assert_eq!(pool.run(echo("on we go")).await.unwrap(), "on we go");
}

#[tokio::test]
async fn a_worker_that_has_grown_is_replaced_between_two_jobs() {
    let pool = verbs(1).recycle_memory(64 << 20).start().await.unwrap();
    let before = pool.run(Verb::Pid).await.unwrap();
    let size = 128 << 20;
    assert_eq!(pool.run(Verb::Hoard(size)).await.unwrap(), size.to_string());
    // It is weighed after a job, and ten times a second at the most.
    let replaced = async || (pool.run(Verb::Pid).await.unwrap() != before).then_some(());
    eventually("another worker", replaced).await;
    assert_eq!(pool.status().deaths, 0);
}

#[tokio::test]
async fn with_a_process_per_job_no_two_jobs_share_one() {
    let pool = verbs(2).process_per_job(true).spares(1).start().await.unwrap();
    let mut pids = BTreeSet::new();
    for job in 0..30 {
        assert!(pids.insert(pool.run(Verb::Pid).await.unwrap()), "job {job}");
    }
    assert!(pool.workers().iter().all(|worker| worker.jobs_done <= 1));
}
