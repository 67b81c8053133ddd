//! How many workers there are: more for more jobs, fewer when there are none, and some to spare.

use procpool::Pool;
use procpool_tests::eventually;
use procpool_tests::library::{echo, executable, idle, verbs};
use procpool_tests::verbs::{Verb, Verbs};
use std::time::Duration;

#[tokio::test]
async fn a_pool_grows_with_its_jobs_and_shrinks_when_there_are_none() {
    let pool = Pool::<Verbs>::builder(executable("verbs")).workers(1..=3);
    let pool = pool.idle_timeout(Duration::from_millis(100)).start().await.unwrap();
    let busy: Vec<_> = (0..3).map(|_| pool.try_submit(Verb::Obey).unwrap()).collect();
    eventually("three busy workers", async || (pool.status().workers.busy == 3).then_some(())).await;
    drop(busy);
    let shrunk = async || (pool.workers().len() == 1).then_some(());
    eventually("a pool of one", shrunk).await;
    assert_eq!(pool.run(echo("still here")).await.unwrap(), "still here");
    assert_eq!(pool.status().deaths, 0);
}

#[tokio::test]
async fn a_pool_may_shrink_to_nothing_and_come_back() {
    let pool = Pool::<Verbs>::builder(executable("verbs")).workers(0..=2);
    let pool = pool.idle_timeout(Duration::from_millis(50)).start().await.unwrap();
    for round in 0..5 {
        let text = format!("round {round}");
        assert_eq!(pool.run(echo(&text)).await.unwrap(), text);
        eventually("an empty pool", async || pool.workers().is_empty().then_some(())).await;
    }
}

#[tokio::test]
async fn a_spare_is_ready_before_it_is_needed() {
    let pool = Pool::<Verbs>::builder(executable("verbs")).workers(0..=3).spares(1).start().await.unwrap();
    idle(&pool, 1).await;
    let _busy = pool.try_submit(Verb::Obey).unwrap();
    let spare = async || {
        let workers = pool.status().workers;
        (workers.busy == 1 && workers.idle == 1).then_some(())
    };
    eventually("one at work and one to spare", spare).await;
}

#[tokio::test]
async fn all_workers_killed_at_once_come_back_together() {
    let pool = verbs(4).start().await.unwrap();
    for _ in 0..10 {
        idle(&pool, 4).await;
        pool.workers().iter().filter_map(|worker| worker.pid).for_each(procpool_tests::process::kill);
        assert_eq!(pool.run(echo("on we go")).await.unwrap(), "on we go");
    }
    idle(&pool, 4).await;
}
