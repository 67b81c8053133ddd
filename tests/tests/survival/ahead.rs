//! Small jobs that are sent ahead of their turn, and workers that are killed with them: what had ended counts, what had been
//! begun is lost with its worker, and what had not goes to the next.

use crate::recovers;
use procpool::{JobError, Pool};
use procpool_tests::eventually;
use procpool_tests::library::{echo, idle, outcomes, verbs};
use procpool_tests::process;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Returns a pool whose jobs have been so small that many are sent ahead.
pub(crate) async fn brisk(workers: usize) -> Pool<Verbs> {
    let pool = verbs(workers).queue(10_000).start().await.unwrap();
    idle(&pool, workers).await;
    warm(&pool).await;
    pool
}

/// Lets a pool run jobs that take no time.
pub(crate) async fn warm(pool: &Pool<Verbs>) {
    let warm: Vec<_> = (0..2_000).map(|_| pool.try_submit(echo("warm")).unwrap()).collect();
    for job in warm {
        job.await.unwrap();
    }
}

#[tokio::test]
async fn of_many_small_jobs_under_kills_none_is_lost_and_none_runs_twice() {
    let scratch = Scratch::new();
    let log = scratch.path().join("log").display().to_string();
    let pool = brisk(2).await;
    let stop = Arc::new(AtomicBool::new(false));
    let killing = tokio::spawn({
        let (pool, stop) = (pool.clone(), stop.clone());
        async move {
            let mut kills = 0;
            while !stop.load(Ordering::Relaxed) {
                for pid in pool.workers().iter().filter_map(|worker| worker.pid).take(1) {
                    kills += usize::from(process::try_signal(pid, Signal::KILL).is_ok());
                }
                // sleep: the pace of the kills.
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
            kills
        }
    });
    let jobs: Vec<_> = (0..9_000)
        .map(|number| (number, pool.try_submit(Verb::Log(log.clone(), format!("<{number}>"))).unwrap()))
        .collect();
    let mut told: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, job) in jobs {
        let outcome = match job.await {
            Ok(_) => "ok".into(),
            Err(JobError::Crashed(_)) => "crashed".into(),
            Err(error) => error.to_string(),
        };
        told.entry(outcome).or_default().push(number);
    }
    stop.store(true, Ordering::Relaxed);
    let kills = killing.await.unwrap();
    let mut ran: BTreeMap<usize, usize> = BTreeMap::new();
    for line in fs::read_to_string(&log).unwrap().split('<').filter(|line| !line.is_empty()) {
        let number = line.trim().trim_end_matches('>').parse().unwrap();
        *ran.entry(number).or_default() += 1;
    }
    assert!(kills > 3, "{kills} kills");
    assert!(ran.values().all(|&times| times == 1), "some ran more than once");
    let ok = told.remove("ok").unwrap();
    assert!(ok.iter().all(|number| ran.contains_key(number)), "some are said to have run");
    let crashed = told.remove("crashed").map_or(0, |crashed| crashed.len());
    assert!(crashed <= kills, "{crashed} jobs crashed by {kills} kills");
    assert!(told.is_empty(), "{told:?}");
    recovers(&pool, 2).await;
}

#[tokio::test]
async fn jobs_behind_one_that_takes_long_are_run_by_another_worker() {
    let pool = brisk(2).await;
    let (long, short): (Vec<_>, Vec<_>) =
        (0..200).map(|number| (number == 20, number)).partition(|(is_long, _)| *is_long);
    let mut handles = Vec::new();
    for _ in 0..20 {
        handles.push(pool.try_submit(echo("before")).unwrap());
    }
    let spinning = long.iter().map(|_| pool.try_submit(Verb::Spin).unwrap()).collect::<Vec<_>>();
    for _ in &short {
        handles.push(pool.try_submit(echo("behind")).unwrap());
    }
    for handle in handles {
        handle.await.unwrap();
    }
    assert_eq!(pool.status().running, spinning.len(), "it still spins");
    for job in spinning {
        job.cancel();
        assert_eq!(job.await.unwrap_err().name(), "cancelled");
    }
    recovers(&pool, 2).await;
}

#[tokio::test]
async fn a_worker_that_dies_of_a_job_loses_that_one_and_no_answer_that_waited_to_be_sent() {
    let pool = brisk(1).await;
    for round in 0..20 {
        let before: Vec<_> = (0..30).map(|_| pool.try_submit(echo("before")).unwrap()).collect();
        // It says nothing before it dies, so that nothing takes the answers along. Each time another payload: three deaths of
        // one would be the last.
        let dies = pool.try_submit(Verb::Exit(round)).unwrap();
        let behind: Vec<_> = (0..30).map(|_| pool.try_submit(echo("behind")).unwrap()).collect();
        for job in before.into_iter().chain(behind) {
            job.await.unwrap();
        }
        assert_eq!(dies.await.unwrap_err().name(), "crashed");
        idle(&pool, 1).await;
        warm(&pool).await;
    }
    recovers(&pool, 1).await;
    assert_eq!(outcomes(&pool), [("crashed", 20), ("ok", 21 * 2_000 + 20 * 60 + 1)]);
}

#[tokio::test]
async fn jobs_ahead_that_are_cancelled_cost_no_other_job_anything() {
    let pool = brisk(1).await;
    for _ in 0..20 {
        let jobs: Vec<_> = (0..60).map(|_| pool.try_submit(echo("hello")).unwrap()).collect();
        for (number, job) in jobs.into_iter().enumerate() {
            if number % 3 == 0 {
                drop(job);
            } else {
                assert_eq!(job.await.unwrap(), "hello");
            }
        }
    }
    recovers(&pool, 1).await;
    assert_eq!(pool.status().deaths, 0, "no worker was killed for it");
}

#[tokio::test]
async fn a_worker_that_is_stopped_before_its_jobs_come_costs_none_of_them() {
    let pool = brisk(2).await;
    process::signal(pool.workers()[0].pid.unwrap(), Signal::STOP);
    let jobs: Vec<_> = (0..500)
        .map(|_| pool.job(echo("x")).timeout(Duration::from_secs(10)).try_submit().unwrap())
        .collect();
    for job in jobs {
        assert_eq!(job.await.unwrap(), "x");
    }
    recovers(&pool, 2).await;
}

#[tokio::test]
async fn a_worker_that_is_stopped_amid_a_job_costs_that_one_and_none_behind_it() {
    let scratch = Scratch::new();
    let pool = brisk(2).await;
    for round in 0..10 {
        let begun = scratch.path().join(format!("begun {round}"));
        let minute = Duration::from_secs(60);
        let stops =
            pool.job(Verb::StopItself(begun.display().to_string())).timeout(minute).try_submit().unwrap();
        let jobs: Vec<_> =
            (0..200).map(|_| pool.job(echo("behind")).timeout(minute).try_submit().unwrap()).collect();
        for job in jobs {
            assert_eq!(job.await.unwrap(), "behind");
        }
        // It may be continued: nobody has taken the job from it.
        let pid: u32 =
            eventually("the job to begin", async || fs::read_to_string(&begun).ok()?.parse().ok()).await;
        eventually("the worker to stand still", async || (process::state(pid) == Some('T')).then_some(()))
            .await;
        process::signal(pid, Signal::CONT);
        assert_eq!(stops.await.unwrap(), "went on");
    }
    assert_eq!(pool.status().deaths, 0);
    recovers(&pool, 2).await;
}
