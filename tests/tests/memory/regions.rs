//! A shared region: several workers and the service add to the same number, and none can harm another by it.

use procpool::raw::JobLimits;
use procpool::raw::Payload;
use procpool::{Encoding, JobError, Pool, PoolBuilder, SharedRegion, Worker};
use procpool_tests::large::{Add, Adder};
use procpool_tests::library::{executable, idle, outcomes};
use serde_json::json;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

fn adders(workers: usize) -> PoolBuilder<Adder> {
    Pool::builder(executable("adder")).workers(workers..=workers)
}

#[tokio::test]
async fn workers_and_service_add_to_one_number() {
    let pool = adders(2).start().await.unwrap();
    idle(&pool, 2).await;
    let region = SharedRegion::new(16 << 20).unwrap();
    let add = || Add { region: region.clone(), times: 100_000, then_dies: false };
    let jobs: Vec<_> = (0..8).map(|_| pool.try_submit(add()).unwrap()).collect();
    for _ in 0..100_000 {
        region[0].fetch_add(1, Relaxed);
    }
    for job in jobs {
        job.await.unwrap();
    }
    assert_eq!(region[0].load(Relaxed), 900_000);
}

/// Memory is sent beside a frame, so that each of these is a job of its own.
#[tokio::test]
async fn a_map_in_chunks_sends_regions_too() {
    let pool = adders(2).start().await.unwrap();
    let region = SharedRegion::new(4096).unwrap();
    let add = || Add { region: region.clone(), times: 10, then_dies: false };
    let mut ends = pool.map(std::iter::repeat_with(add).take(40)).chunks(10);
    while let Some(end) = ends.next().await {
        end.unwrap();
    }
    assert_eq!(region[0].load(Relaxed), 400);
    assert_eq!(outcomes(&pool), [("ok", 40)]);
}

#[tokio::test]
async fn what_a_worker_had_written_is_there_after_its_death_and_the_next_goes_on() {
    let pool = adders(1).start().await.unwrap();
    let region = SharedRegion::new(4096).unwrap();
    let add = |then_dies| Add { region: region.clone(), times: 10, then_dies };
    let error = pool.run(add(true)).await.unwrap_err();
    assert!(matches!(error, JobError::Crashed(_)), "{error}");
    pool.run(add(false)).await.unwrap();
    assert_eq!(region[0].load(Relaxed), 20);
}

#[tokio::test]
async fn a_job_keeps_its_region_until_it_has_ended() {
    let pool = adders(1).start().await.unwrap();
    let (kept, dropped) = (SharedRegion::new(1024).unwrap(), SharedRegion::new(1024).unwrap());
    let long = pool.try_submit(Add { region: kept.clone(), times: 20_000_000, then_dies: false }).unwrap();
    // It waits for the one before, and nobody but its input has the region. The job has it; its output comes too late.
    let error = pool.run(Add { region: dropped, times: 1, then_dies: false }).await.unwrap_err();
    assert!(
        matches!(&error, JobError::Output(reason) if reason.to_string().contains("keeps a clone")),
        "{error}"
    );
    assert_eq!(outcomes(&pool), [("ok", 2)], "it is the caller who has no region");
    long.await.unwrap();
}

#[tokio::test]
async fn worker_data_may_have_a_region_that_all_workers_keep() {
    let region = SharedRegion::<AtomicU32>::new(1024).unwrap();
    let pool = adders(2).worker_data(region.clone()).start().await.unwrap();
    idle(&pool, 2).await;
    let own = SharedRegion::new(1).unwrap();
    for _ in 0..10 {
        pool.run(Add { region: own.clone(), times: 1, then_dies: false }).await.unwrap();
    }
    assert_eq!((own[0].load(Relaxed), region[0].load(Relaxed)), (10, 10));
}

#[tokio::test]
async fn a_message_may_have_a_region() {
    let mut worker = Worker::<Add, SharedRegion<AtomicU32>>::spawn(executable("adder")).await.unwrap();
    let region = SharedRegion::<AtomicU32>::new(1024).unwrap();
    for _ in 0..10 {
        worker.post(Add { region: region.clone(), times: 1, then_dies: false }).await.unwrap();
        let back = worker.recv().await.unwrap();
        assert_eq!(back.as_ptr(), region.as_ptr());
    }
    assert_eq!(region[0].load(Relaxed), 10);
}

#[tokio::test]
async fn a_region_in_an_output_is_the_one_that_was_sent() {
    let pool = adders(1).start().await.unwrap();
    let region = SharedRegion::new(1024).unwrap();
    let back = pool.run(Add { region: region.clone(), times: 1, then_dies: false }).await.unwrap();
    assert_eq!(back.as_ptr(), region.as_ptr(), "mapped once");
}

#[tokio::test]
async fn thousands_of_jobs_that_are_sent_ahead_find_their_own_regions() {
    let pool = adders(1).queue(10_000).start().await.unwrap();
    let regions: [SharedRegion<AtomicU32>; 3] = std::array::from_fn(|_| SharedRegion::new(1024).unwrap());
    let jobs: Vec<_> = (0..3_000)
        .map(|number| regions[number % 3].clone())
        .map(|region| pool.try_submit(Add { region, times: 1, then_dies: false }).unwrap())
        .collect();
    for job in jobs {
        job.await.unwrap();
    }
    assert_eq!(regions.each_ref().map(|region| region[0].load(Relaxed)), [1000; 3]);
    assert_eq!(pool.status().deaths, 0);
}

#[tokio::test]
async fn a_retry_is_given_the_region_again() {
    let pool = adders(1).idempotent(true).max_attempts(2).start().await.unwrap();
    let region = SharedRegion::new(1024).unwrap();
    let error = pool.run(Add { region: region.clone(), times: 5, then_dies: true }).await.unwrap_err();
    assert!(matches!(error, JobError::Poisoned { .. } | JobError::Crashed(_)), "{error}");
    assert_eq!(region[0].load(Relaxed), 10, "twice");
}

#[tokio::test]
async fn text_from_outside_names_no_memory() {
    let pool = adders(1).start().await.unwrap();
    let region = SharedRegion::<AtomicU32>::new(1024).unwrap();
    // The service knows this region, as does every reader of its text.
    let known = serde_json::to_value(&region).unwrap();
    for descriptor in [json!(null), json!(0), json!(1), json!(255)] {
        let mut reference = known.clone();
        reference["descriptor"] = descriptor;
        let input = json!({"region": reference, "times": 1, "then_dies": false}).to_string();
        let limits = JobLimits::new();
        let job = pool.raw().submit(Payload::json(input), Encoding::Json, limits).unwrap();
        match job.outcome.await.result.map_err(|error| *error) {
            Err(JobError::BadInput { message, .. }) => {
                assert!(
                    message.contains("failed to find a shared region: its descriptor did not come"),
                    "{message}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(region[0].load(Relaxed), 0);
}

#[tokio::test]
async fn a_region_of_other_cells_is_bad_input() {
    let pool = adders(1).start().await.unwrap();
    let region = SharedRegion::<AtomicU64>::new(1024).unwrap();
    let input = json!({"region": region, "times": 1, "then_dies": false}).to_string();
    let limits = JobLimits::new();
    let job = pool.raw().submit(Payload::json(input), Encoding::Json, limits).unwrap();
    match job.outcome.await.result.map_err(|error| *error) {
        Err(JobError::BadInput { message, .. }) => {
            assert!(message.contains("its cells have 8 bytes each, and 4 bytes were expected"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}
