//! Orders to a pool that runs: settings, a drain that ends, and workers that are sent away.

use procpool::error::Refusal;
use procpool::{JobError, Pool};
use procpool_tests::eventually;
use procpool_tests::library::{begin, echo, idle, verbs};
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};
use std::time::Duration;

/// Returns the names of the pool's workers.
fn names(pool: &Pool<Verbs>) -> Vec<String> {
    pool.workers().into_iter().map(|worker| worker.id).collect()
}

#[tokio::test]
async fn a_worker_that_is_retired_ends_its_job_and_is_replaced_meanwhile() {
    let scratch = Scratch::new();
    let pool = verbs(1).start().await.unwrap();
    let gate = scratch.path().join("gate");
    let job = pool.submit(Verb::WaitFor(gate.display().to_string())).await.unwrap();
    assert!(pool.retire_worker("verbs-0"));
    // The replacement serves while the other one is at work.
    assert_eq!(pool.run(echo("other")).await.unwrap(), "other");
    assert_eq!(names(&pool), ["verbs-0", "verbs-1"]);
    std::fs::write(gate, "").unwrap();
    job.await.unwrap();
    let gone = async || (names(&pool) == ["verbs-1"]).then_some(());
    eventually("the worker to retire", gone).await;
    let status = pool.status();
    assert_eq!((status.deaths_by_cause["ordered"], status.deaths, status.counters.kills), (1, 0, 0));
    assert!(!pool.retire_worker("verbs-0"), "it is gone");
}

#[tokio::test]
async fn the_job_of_a_worker_that_is_killed_says_by_whom_and_runs_again_where_it_may() {
    let pool = verbs(1).start().await.unwrap();
    let (job, _) = begin(&pool, Verb::Spin).await;
    assert!(pool.kill_worker("verbs-0"));
    let error = job.await.unwrap_err();
    let JobError::Crashed(report) = &error else { panic!("{error}") };
    assert!(report.death.ordered && report.payload_deaths == 0, "{report}");
    assert!(error.to_string().contains("killed by an operator's order"), "{error}");
    assert_eq!((pool.status().deaths_by_cause["ordered"], pool.status().deaths), (1, 0));

    let scratch = Scratch::new();
    let pool = verbs(1).idempotent(true).max_attempts(2).start().await.unwrap();
    let marker = scratch.path().join("begun");
    let shell = format!("test -e {0} || {{ touch {0}; sleep 600; }}", marker.display());
    let job = pool.submit(Verb::Shell(shell)).await.unwrap();
    eventually("the job to begin", async || marker.exists().then_some(())).await;
    assert!(pool.kill_worker("verbs-0"));
    assert_eq!(job.await.unwrap(), "exit status: 0");
}

#[tokio::test]
async fn settings_change_while_jobs_wait_and_all_or_none_of_them() {
    let pool = verbs(1).queue(2).start().await.unwrap();
    idle(&pool, 1).await;
    pool.pause();
    let waits = [pool.try_submit(echo("one")).unwrap(), pool.try_submit(echo("other")).unwrap()];
    let changed = pool.reconfigure(|settings| {
        (settings.queue, settings.timeout) = (1, Some(Duration::from_secs(7)));
        settings.max_timeout = Some(Duration::from_secs(9));
    });
    assert_eq!(changed.unwrap(), pool.settings());
    assert_eq!((pool.status().queue_limit, pool.status().queued), (1, 2), "those that wait stay");
    let refused = pool.try_submit(echo("no room")).unwrap_err();
    assert!(refused.to_string().contains("has 1 jobs waiting"), "{refused}");
    let before = pool.settings();
    let error = pool.reconfigure(|settings| (settings.queue, settings.min_workers) = (9, 2)).unwrap_err();
    assert!(error.to_string().contains("min_workers is 2 and max_workers is 1"), "{error}");
    assert_eq!(pool.settings(), before);
    pool.resume();
    for job in waits {
        job.await.unwrap();
    }
    let cut = pool.job(Verb::Spin).timeout(Duration::from_millis(50)).run().await.unwrap_err();
    assert!(matches!(cut, JobError::TimedOut { .. }), "{cut}");
    pool.reconfigure(|settings| settings.timeout = Some(Duration::from_millis(50))).unwrap();
    let cut = pool.run(Verb::Spin).await.unwrap_err();
    assert!(matches!(cut, JobError::TimedOut { limit, .. } if limit == Duration::from_millis(50)), "{cut}");
}

#[tokio::test]
async fn a_pool_under_too_much_load_refuses_jobs_that_cannot_end_in_time() {
    const RUN: u64 = 20_000;
    let pool = verbs(1).start().await.unwrap();
    for _ in 0..32 {
        pool.run(Verb::Nap(RUN)).await.unwrap();
    }
    let offer = |timeout| pool.job(Verb::Nap(RUN)).timeout(Duration::from_millis(timeout)).try_submit();
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for _ in 0..100 {
        match offer(200) {
            Ok(job) => accepted.push(job),
            Err(error) => {
                let Refusal::DeadlineUnreachable { limit, predicted, retry, .. } = error.reason else {
                    panic!("{error}")
                };
                assert!(limit < predicted && !retry.is_zero(), "{error}");
                refused += 1;
            }
        }
    }
    assert!(accepted.len() < 20, "{} jobs of 20 ms were accepted, {refused} refused", accepted.len());
    assert!(pool.status().refusals["deadline_unreachable"] >= refused);
    pool.reconfigure(|settings| settings.admission = false).unwrap();
    drop(offer(200).expect("nothing is predicted any longer"));
}

#[tokio::test]
async fn a_pool_that_drains_ends_what_it_has_and_is_resumed() {
    let pool = verbs(1).queue(1).start().await.unwrap();
    let (running, _) = begin(&pool, Verb::Obey).await;
    let waiting = pool.try_submit(echo("accepted")).unwrap();
    // Room would come only with the end of the job that runs.
    let patient = tokio::spawn(pool.run(echo("waits for room")));
    let refused = async || pool.status().refusals["draining"].checked_sub(1);
    tokio::task::yield_now().await;
    pool.drain();
    assert!(pool.status().draining);
    let error = pool.try_submit(echo("late")).unwrap_err();
    assert!(error.reason == Refusal::Draining, "{error}");
    assert!(matches!(patient.await.unwrap(), Err(JobError::Refused(_))), "it does not wait on");
    eventually("both to be counted", refused).await;
    running.cancel();
    assert_eq!(waiting.await.unwrap(), "accepted");
    assert_eq!(pool.status().workers.idle + pool.status().workers.starting, 1, "its worker stays");
    pool.resume();
    assert_eq!(pool.run(echo("again")).await.unwrap(), "again");
}
