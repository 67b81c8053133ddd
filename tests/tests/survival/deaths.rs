//! F02, F03, F28, F37, F40: every way for a worker to die with a job, right after one, or together with
//! all the others.

use crate::recovers;
use procpool::JobError;
use procpool::error::Stage;
use procpool_tests::library::{echo, idle, misbehaving, outcomes, verbs};
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use std::time::{Duration, Instant};

const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

#[tokio::test]
async fn a_crash_is_told_with_its_signal() {
    let pool = verbs(1).start().await.unwrap();
    // A full stack is found out by Rust's runtime, which says so and aborts.
    let ways = [(Verb::Abort, SIGABRT), (Verb::Overflow, SIGABRT), (Verb::Die(SIGSEGV), SIGSEGV)];
    for (way, signal) in ways {
        let error = pool.run(way.clone()).await.unwrap_err();
        let report = error.crash_report().unwrap_or_else(|| panic!("{way:?}: {error}"));
        assert_eq!((report.death.exit.signal(), report.stage), (Some(signal), Stage::Running), "{way:?}");
        if matches!(way, Verb::Overflow) {
            let stderr = report.death.stderr.join("\n");
            assert!(stderr.contains("has overflowed its stack"), "{stderr}");
        }
        recovers(&pool, 1).await;
    }
    assert_eq!(outcomes(&pool), [("crashed", 3), ("ok", 3)]);
}

#[tokio::test]
async fn an_exit_amid_a_job_is_a_crash_with_its_code_even_if_that_is_0() {
    let pool = verbs(1).start().await.unwrap();
    for code in [0, 1, 77] {
        let error = pool.run(Verb::Exit(code)).await.unwrap_err();
        assert_eq!(error.crash_report().and_then(|report| report.death.exit.code()), Some(code), "{error}");
        recovers(&pool, 1).await;
    }
    assert_eq!(outcomes(&pool), [("crashed", 3), ("ok", 3)]);
}

#[tokio::test]
async fn a_panic_is_panicked_and_no_crash() {
    let pool = verbs(1).start().await.unwrap();
    let error = pool.run(Verb::Panic("the sky is falling".into())).await.unwrap_err();
    assert!(matches!(&error, JobError::Panicked { message, .. } if message == "the sky is falling"));
    recovers(&pool, 1).await;
    assert_eq!(outcomes(&pool), [("ok", 1), ("panicked", 1)]);
}

#[tokio::test]
async fn the_death_after_an_answer_is_charged_to_the_worker_and_not_to_the_next_job() {
    let pool = misbehaving("reply_then_die").timeout(Duration::from_secs(20)).start().await.unwrap();
    let count = 50;
    let jobs: Vec<_> = (0..count).map(|_| pool.try_submit(Verb::Pid).unwrap()).collect();
    for job in jobs {
        assert_eq!(job.await.unwrap(), "done");
    }
    // Every worker lives for one answer.
    eventually("the last death", async || (pool.status().deaths == count).then_some(())).await;
    idle(&pool, 1).await;
    assert_eq!(outcomes(&pool), [("ok", count)]);
}

#[tokio::test]
async fn a_job_on_its_way_to_a_worker_that_closed_its_connection_goes_to_the_next() {
    let pool = verbs(2).start().await.unwrap();
    idle(&pool, 2).await;
    for round in 0..50 {
        // The write meets a socket without a reader: EPIPE, which costs nobody anything.
        process::kill(pool.workers()[round % 2].pid.unwrap());
        let text = format!("round {round}");
        let (one, other) = tokio::join!(pool.run(echo(&text)), pool.run(echo(&text)));
        assert_eq!((one.unwrap(), other.unwrap()), (text.clone(), text));
        idle(&pool, 2).await;
    }
    assert_eq!(outcomes(&pool), [("ok", 100)]);
}

#[tokio::test]
async fn all_workers_killed_at_once_cost_their_jobs_and_none_that_waits() {
    let pool = verbs(4).start().await.unwrap();
    idle(&pool, 4).await;
    let mut spinning = Vec::new();
    for _ in 0..4 {
        let mut job = pool.try_submit(Verb::Spin).unwrap();
        job.next_progress().await.expect("the job begins");
        spinning.push(job);
    }
    let waiting: Vec<_> = (0..50).map(|n| pool.try_submit(echo(&n.to_string())).unwrap()).collect();
    pool.workers().iter().filter_map(|worker| worker.pid).for_each(process::kill);
    for job in spinning {
        let error = job.await.unwrap_err();
        assert_eq!(error.crash_report().and_then(|it| it.death.exit.signal()), Some(9), "{error}");
    }
    for (n, job) in waiting.into_iter().enumerate() {
        assert_eq!(job.await.unwrap(), n.to_string());
    }
    recovers(&pool, 4).await;
    assert_eq!((outcomes(&pool), pool.status().deaths), (vec![("crashed", 4), ("ok", 51)], 4));
}

/// Within a second is the promise (FAULTS, F28), so here a time is asserted.
#[tokio::test]
async fn the_dead_are_reaped_within_a_second() {
    let server = Server::of_verbs(8, "").await;
    let pids = server.workers("verbs").await;
    let killed = Instant::now();
    pids.iter().for_each(|&pid| process::kill(pid));
    let reaped = async || pids.iter().all(|&pid| process::state(pid).is_none()).then_some(());
    eventually("the end of all zombies", reaped).await;
    assert!(killed.elapsed() < Duration::from_secs(1), "it took {:?}", killed.elapsed());
    server.idle("verbs", 8).await;
    assert_eq!(process::zombies(server.pid()), [] as [u32; 0]);
}
