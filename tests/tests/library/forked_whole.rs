//! Workers that are forked have everything that a pool offers its workers.

use procpool::{JobError, Pool};
use procpool_tests::eventually;
use procpool_tests::large::{ECHO, FILL, Large, WHERE, input};
use procpool_tests::library::{begin, echo, executable, idle, outcomes, verbs};
use procpool_tests::process;
use procpool_tests::rooted::Rooted;
use procpool_tests::several::Shout;
use procpool_tests::verbs::Verb;
use std::collections::BTreeSet;

const MIB: usize = 1 << 20;

/// Number of jobs that are in flight at once.
const MANY: usize = 64;

#[tokio::test]
async fn of_many_jobs_in_flight_a_killed_fork_costs_one() {
    let pool = verbs(1).fork(true).queue(10_000).start().await.unwrap();
    idle(&pool, 1).await;
    // Jobs that take no time are sent ahead of their turn.
    for job in (0..2_000).map(|_| pool.try_submit(echo("warm")).unwrap()).collect::<Vec<_>>() {
        job.await.unwrap();
    }
    let (spinning, worker) = begin(&pool, Verb::Spin).await;
    assert!(process::maps(worker, "procpool-page"), "the page says which of them it has begun");
    let behind: Vec<_> = (1..MANY).map(|_| pool.try_submit(echo("behind")).unwrap()).collect();
    process::kill(worker);
    let Err(JobError::Crashed(report)) = spinning.await else { panic!("it crashes") };
    assert_eq!(report.death.exit.signal(), Some(9));
    for job in behind {
        assert_eq!(job.await.unwrap(), "behind");
    }
    assert_eq!(outcomes(&pool), [("crashed", 1), ("ok", 2_000 + MANY as u64 - 1)]);
}

#[tokio::test]
async fn large_payloads_of_a_fork_lie_in_arenas_and_a_killed_one_has_harmed_none() {
    let pool = Pool::<Large>::builder(executable("large")).workers(1..=1).fork(true).start().await.unwrap();
    for _ in 0..2 {
        let shared = async || {
            assert_eq!(pool.run(input(ECHO, 7, MIB)).await.unwrap(), input(ECHO, 7, MIB));
            let told = pool.run(input(WHERE, 0, MIB)).await.unwrap();
            let told = String::from_utf8_lossy(&told).into_owned();
            ["procpool-input", "procpool-output"].iter().all(|part| told.contains(part)).then_some(())
        };
        eventually("input and output to lie in arenas", shared).await;
        let filled = pool.run(input(FILL, 9, 8 * MIB)).await.unwrap();
        assert!(filled.len() == 8 * MIB && filled.iter().all(|&byte| byte == 9));
        process::kill(pool.workers()[0].pid.unwrap());
        // The answer outlives the worker that gave it.
        eventually("another worker", async || pool.run(input(ECHO, 1, 10)).await.ok()).await;
        assert!(filled.iter().all(|&byte| byte == 9));
    }
}

#[tokio::test]
async fn the_state_is_loaded_with_the_worker_data() {
    let pool = Pool::<Shout>::builder(executable("several")).workers(1..=1).fork(true);
    let pool = pool.worker_data("?".to_owned()).start().await.unwrap();
    assert_eq!(pool.run("why".into()).await.unwrap(), "WHY?");
}

#[tokio::test]
async fn spares_of_a_process_for_each_job_are_forks_that_wait() {
    let pool = Pool::<Rooted>::builder(executable("rooted")).workers(0..=3).spares(2).fork(true);
    let pool = pool.process_per_job(true).start().await.unwrap();
    let mut workers = BTreeSet::new();
    for _ in 0..10 {
        idle(&pool, 2).await;
        let waiting: BTreeSet<_> = pool.workers().iter().filter_map(|worker| worker.pid).collect();
        let (_, worker, _) = pool.run(String::new()).await.unwrap();
        assert!(waiting.contains(&worker), "it was there before its job");
        assert!(workers.insert(worker), "it has run one job");
    }
}

#[tokio::test]
async fn a_panic_in_a_fork_is_its_jobs_and_the_template_goes_on() {
    let pool = verbs(1).fork(true).start().await.unwrap();
    for _ in 0..3 {
        let error = pool.run(Verb::Panic("no luck".into())).await.unwrap_err();
        assert!(
            matches!(error, JobError::Panicked { .. }) && error.to_string().contains("no luck"),
            "{error}"
        );
        assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
    }
}
