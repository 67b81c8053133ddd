//! A shared region: several workers and the service add to the same number, and none can harm another by it.

use procpool::{JobError, Pool, SharedRegion};
use procpool_tests::large::{Add, Adder};
use procpool_tests::library::{executable, idle};
use std::sync::atomic::Ordering::Relaxed;

#[tokio::test]
async fn workers_and_service_add_to_one_number() {
    let pool = Pool::<Adder>::builder(executable("adder")).workers(2..=2).start().await.unwrap();
    idle(&pool, 2).await;
    let region = SharedRegion::new(16 << 20).unwrap();
    let add = || Add { region: region.clone(), times: 100_000, then_dies: false };
    let jobs: Vec<_> = (0..8).map(|_| pool.submit(add())).collect();
    for _ in 0..100_000 {
        region[0].fetch_add(1, Relaxed);
    }
    for job in jobs {
        job.await.unwrap();
    }
    assert_eq!(region[0].load(Relaxed), 900_000);
}

#[tokio::test]
async fn what_a_worker_had_written_is_there_after_its_death_and_the_next_goes_on() {
    let pool = Pool::<Adder>::builder(executable("adder")).workers(1..=1).start().await.unwrap();
    let region = SharedRegion::new(4096).unwrap();
    let add = |then_dies| Add { region: region.clone(), times: 10, then_dies };
    let error = pool.run(add(true)).await.unwrap_err();
    assert!(matches!(error, JobError::Crashed(_)), "{error}");
    pool.run(add(false)).await.unwrap();
    assert_eq!(region[0].load(Relaxed), 20);
}

#[tokio::test]
async fn a_job_keeps_its_region_until_it_has_ended() {
    let pool = Pool::<Adder>::builder(executable("adder")).workers(1..=1).start().await.unwrap();
    let (kept, dropped) = (SharedRegion::new(1024).unwrap(), SharedRegion::new(1024).unwrap());
    let long = pool.submit(Add { region: kept.clone(), times: 20_000_000, then_dies: false });
    // It waits for the one before, and nobody but its input has the region.
    pool.run(Add { region: dropped, times: 1, then_dies: false }).await.unwrap();
    long.await.unwrap();
}
