//! F01: SIGKILL at every stage of a worker's life. A job that no worker had begun is done by the next
//! one; a whole result counts; anything in between is a crash, or another attempt where that is allowed.

use crate::recovers;
use procpool::error::Stage;
use procpool::{JobError, Pool};
use procpool_tests::library::{begin, echo, misbehaving_once, outcomes, verbs};
use procpool_tests::process;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};
use std::time::Duration;

/// A job under a deadline, given to a pool whose first worker dies at `stage`.
async fn outcome(stage: &str, verb: Verb, idempotent: bool) -> (Pool<Verbs>, Result<String, JobError>) {
    let scratch = Scratch::new();
    let attempts = if idempotent { 2 } else { 1 };
    let pool = misbehaving_once(&format!("die_at={stage}"), 1, &scratch)
        .idempotent(idempotent)
        .max_attempts(attempts)
        .start_lazy()
        .unwrap();
    let outcome = pool.job(verb).timeout(Duration::from_secs(20)).run().await;
    recovers(&pool, 1).await;
    assert_eq!(pool.status().deaths, 1, "{stage}");
    (pool, outcome)
}

#[tokio::test]
async fn a_worker_killed_before_it_has_a_job_costs_no_job() {
    for stage in ["spawn", "hello", "welcome", "ready"] {
        for idempotent in [false, true] {
            let (pool, outcome) = outcome(stage, Verb::Pid, idempotent).await;
            assert_eq!(outcome.unwrap(), "done", "{stage}");
            assert_eq!(outcomes(&pool), [("ok", 2)], "{stage}");
        }
    }
}

#[tokio::test]
async fn a_worker_killed_while_it_reads_its_job_costs_no_job() {
    for idempotent in [false, true] {
        // More than a socket holds: the kernel cannot have taken all of it.
        let (pool, outcome) = outcome("half_read", echo(&"x".repeat(8 << 20)), idempotent).await;
        assert_eq!(outcome.unwrap(), "done");
        assert_eq!(outcomes(&pool), [("ok", 2)]);
    }
}

#[tokio::test]
async fn a_worker_killed_with_a_job_crashes_it_or_costs_an_attempt() {
    for stage in ["read", "half_result"] {
        let (pool, crashed) = outcome(stage, Verb::Pid, false).await;
        let error = crashed.unwrap_err();
        let report = error.crash_report().unwrap_or_else(|| panic!("{stage}: {error}"));
        assert_eq!((report.death.exit.signal(), report.stage), (Some(9), Stage::Running), "{stage}");
        assert_eq!(outcomes(&pool), [("crashed", 1), ("ok", 1)], "{stage}");

        let (pool, retried) = outcome(stage, Verb::Pid, true).await;
        assert_eq!(retried.unwrap(), "done", "{stage}");
        assert_eq!(outcomes(&pool), [("ok", 2)], "{stage}");
    }
}

#[tokio::test]
async fn a_worker_killed_after_its_result_costs_nothing_but_itself() {
    for idempotent in [false, true] {
        let (pool, outcome) = outcome("result", Verb::Pid, idempotent).await;
        assert_eq!(outcome.unwrap(), "done");
        assert_eq!(outcomes(&pool), [("ok", 2)]);
    }
}

#[tokio::test]
async fn a_worker_killed_amid_its_function_crashes_its_job_or_costs_an_attempt() {
    let pool = verbs(1).idempotent(true).max_attempts(2).start().await.unwrap();
    let (mut job, first) = begin(&pool, Verb::Spin).await;
    process::kill(first);
    // The second attempt spins, too, and is killed, too; then there is none left.
    job.next_progress().await.expect("the second attempt begins");
    let second = pool.workers()[0].pid.unwrap();
    assert_ne!(first, second);
    process::kill(second);
    let error = job.await.unwrap_err();
    let report = error.crash_report().expect("the worker was killed");
    assert_eq!((report.death.exit.signal(), report.death.pid), (Some(9), second));
    recovers(&pool, 1).await;
    assert_eq!(outcomes(&pool), [("crashed", 1), ("ok", 1)]);
}

#[tokio::test]
async fn a_retry_that_the_deadline_does_not_allow_is_timed_out_and_not_crashed() {
    let pool = verbs(1).idempotent(true).max_attempts(100).start().await.unwrap();
    let limit = Duration::from_secs(2);
    let mut job = pool.job(Verb::Spin).timeout(limit).try_submit().unwrap();
    job.next_progress().await.expect("the job begins");
    process::kill(pool.workers()[0].pid.unwrap());
    let error = job.await.unwrap_err();
    assert!(matches!(error, JobError::TimedOut { limit: found, .. } if found <= limit), "{error}");
    recovers(&pool, 1).await;
    assert_eq!(outcomes(&pool), [("ok", 1), ("timed_out", 1)]);
}

#[tokio::test]
async fn a_worker_killed_when_it_is_told_to_exit_holds_up_no_shutdown() {
    let pool = verbs(3).start().await.unwrap();
    recovers(&pool, 3).await;
    let pids: Vec<u32> = pool.workers().iter().filter_map(|worker| worker.pid).collect();
    let end = pool.shutdown(Duration::from_secs(20));
    let killing = async {
        for &pid in &pids {
            // It may have exited and be reaped by now.
            let _ = process::try_signal(pid, rustix::process::Signal::KILL);
        }
    };
    let (report, ()) = tokio::join!(end, killing);
    assert_eq!(report.shut_down, 0);
    assert!(pids.iter().all(|&pid| process::state(pid).is_none()), "reaped, not only dead");
}
