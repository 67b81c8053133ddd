//! Hundreds of jobs whose deadlines come together, in a pool of few workers: each has its outcome, and nothing of the
//! looks and kills is left behind.

use procpool::error::Stage;
use procpool::status::DeathQuery;
use procpool::{Coordinator, CoordinatorConfig, JobError, Pool};
use procpool_tests::library::{echo, idle, outcomes, verbs};
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, process};
use std::time::Duration;

/// Long enough for all of them to be accepted, whatever else the machine does.
const TIMEOUT: Duration = Duration::from_secs(1);

const WORKERS: usize = 4;
const JOBS: usize = 200;

/// Maximum number of deaths, with their stacks, that are remembered here.
const RECORDS: usize = 6;

/// Returns the number of threads of this process that look at a worker, or read what they saw.
fn lookers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| ["procpool-unwind", "procpool-tracer"].contains(&name.trim_end())).count()
}

/// Submits all jobs, and returns how each ended. The number of workers is looked at meanwhile.
async fn storm(pool: &Pool<Verbs>) -> Vec<JobError> {
    let mut jobs = Vec::new();
    for _ in 0..JOBS {
        jobs.push(pool.job(Verb::Nap(u64::MAX)).timeout(TIMEOUT).submit().await.unwrap());
    }
    let mut errors = Vec::new();
    for job in jobs {
        errors.push(job.await.unwrap_err());
        assert!(pool.workers().len() <= 2 * WORKERS, "{:?}", pool.workers());
    }
    errors
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_that_come_together_have_their_outcomes_and_leave_nothing_behind() {
    let pool = verbs(WORKERS)
        .stack_at_deadline(true)
        .queue(JOBS)
        .grace(Duration::ZERO)
        .admission(false)
        .name("storm");
    let mut config = CoordinatorConfig::new([pool.config().unwrap()]);
    config.deaths.records = RECORDS;
    let coordinator = Coordinator::start(config).await.unwrap();
    let pool = coordinator.pool::<Verbs>("storm").unwrap();
    idle(&pool, WORKERS).await;
    let own = std::process::id();
    let (before, descriptors) = (process::children(own).len(), process::descriptors(own));
    for round in 1..=2 {
        let errors = storm(&pool).await;
        let mut ran = 0;
        for error in &errors {
            let JobError::TimedOut { stage, .. } = error else { panic!("{error:?}") };
            let stack = error.stack();
            if *stage == Stage::Running {
                ran += 1;
                let is_told = stack.is_none_or(|it| !it.frames().is_empty() || it.note.is_some());
                assert!(is_told, "{error:?}");
            } else {
                assert!(stack.is_none(), "nothing ran: {error:?}");
            }
        }
        assert!(errors.len() == JOBS && (1..JOBS).contains(&ran), "{ran} of {}", errors.len());
        idle(&pool, WORKERS).await;
        assert_eq!(outcomes(&pool), [("timed_out", (round * JOBS) as u64)]);
        let settled = async || {
            let is_settled = process::children(own).len() <= before && lookers() == 0;
            (is_settled && process::descriptors(own) <= descriptors).then_some(())
        };
        eventually("no more processes, threads and descriptors than before", settled).await;
    }
    let kept = coordinator.deaths().deaths(&DeathQuery::default()).deaths;
    assert_eq!(kept.len(), RECORDS, "others are forgotten with their stacks");
    assert!(kept.iter().all(|death| death.cause == "timed_out"), "{kept:?}");
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
}
