//! The figures of a pool: every figure is there from the start, and each death, refusal and outcome is told
//! by its cause.

use procpool::OutcomeKind;
use procpool::error::Refusal;
use procpool_tests::library::{begin, echo, idle, verbs};
use procpool_tests::served;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

type Figures = BTreeMap<&'static str, u64>;

fn counted(figures: &Figures) -> Vec<(&'static str, u64)> {
    figures.iter().map(|(&name, &count)| (name, count)).filter(|&(_, count)| count > 0).collect()
}

/// Waits until this number of workers of the pool are gone, and returns them by cause.
async fn gone(pool: &procpool::Pool<procpool_tests::verbs::Verbs>, count: u64) -> Vec<(&'static str, u64)> {
    let all = async || {
        let causes = pool.status().deaths_by_cause;
        (causes.values().sum::<u64>() == count).then(|| counted(&causes))
    };
    eventually(&format!("{count} workers to be gone"), all).await
}

#[tokio::test]
async fn every_figure_is_listed_before_anything_has_happened() {
    let server = Server::of_verbs(1, "").await;
    let pool = server.pool("verbs").await;
    for (figures, names) in [
        ("jobs", &["ok", "failed", "crashed", "timed_out", "cancelled", "poisoned", "refused"][..]),
        ("refusals", &["queue_full", "breaker_open", "no_slot_in_time", "shutting_down"]),
        (
            "deaths_by_cause",
            &["crashed", "hung_up", "out_of_memory", "killed", "start", "protocol", "cancelled"],
        ),
        (
            "deaths_by_cause",
            &["timed_out", "panicked", "stopped", "recycled", "reloaded", "idle", "shut_down"],
        ),
        ("starts", &["failed", "withdrawn"]),
        ("counters", &["accepted", "retried", "returned", "late_results", "restarts", "kills"]),
    ] {
        for &name in names {
            assert_eq!(pool[figures][name], 0, "{figures}.{name} in {pool}");
        }
    }
    assert_eq!(pool["counters"]["starts"], 1);
    for times in ["wait", "run"] {
        assert_eq!((&pool[times]["count"], &pool[times]["sum_seconds"]), (&0.into(), &0.0.into()));
    }
}

#[tokio::test]
async fn the_age_of_the_oldest_waiting_job_and_of_a_running_one_are_told() {
    let pool = verbs(1).start().await.unwrap();
    assert_eq!((pool.status().oldest_ms, pool.workers()[0].job_ms), (None, None));
    let (job, _) = begin(&pool, Verb::Obey).await;
    let waiting = pool.submit(echo("late")).await.unwrap();
    let grown = async || {
        let (oldest, running) = (pool.status().oldest_ms.unwrap(), pool.workers()[0].job_ms.unwrap());
        assert!(running >= oldest, "{running} {oldest}");
        (oldest > 1).then_some(())
    };
    eventually("the job to be older", grown).await;
    drop(job);
    assert_eq!(waiting.await.unwrap(), "late");
    assert_eq!(pool.status().oldest_ms, None);
}

#[tokio::test]
async fn starts_are_counted_by_their_results() {
    let pool = verbs(2).start().await.unwrap();
    idle(&pool, 2).await;
    assert_eq!(counted(&pool.status().starts), [("ready", 2)]);
    let executable = procpool::Executable::path("/bin/false").unwrap();
    let failing = procpool::Pool::<procpool_tests::verbs::Verbs>::builder(executable).workers(0..=1);
    let failing = failing.start_lazy().unwrap();
    failing.run(Verb::Pid).await.unwrap_err();
    let status = failing.status();
    let failed = status.starts["failed"];
    assert!(failed > 0 && failed == status.deaths_by_cause["start"], "{status:?}");
    assert_eq!((status.starts["ready"], status.starts["withdrawn"]), (0, 0));
}

#[tokio::test]
async fn memory_and_processor_time_of_workers_are_told_and_the_time_of_the_dead_stays() {
    let pool = verbs(2).start().await.unwrap();
    idle(&pool, 2).await;
    pool.run(Verb::Burn(200)).await.unwrap();
    let before = pool.usage().await;
    let names = || pool.workers().into_iter().map(|worker| worker.id).collect::<Vec<_>>();
    assert_eq!(before.workers.iter().map(|worker| worker.id.clone()).collect::<Vec<_>>(), names());
    assert!(before.workers.iter().all(|worker| worker.resident_bytes > Some(0)), "{before:?}");
    let resident: u64 = before.workers.iter().filter_map(|worker| worker.resident_bytes).sum();
    assert_eq!(before.resident_bytes, resident);
    assert!(before.cpu_time >= Duration::from_millis(150), "{before:?}");

    // Each is killed by its pid: a job might go to a worker that has replaced another.
    pool.workers().iter().filter_map(|worker| worker.pid).for_each(process::kill);
    let replaced = async || {
        let usage = pool.usage().await;
        assert!(usage.cpu_time >= before.cpu_time, "{usage:?} after {before:?}");
        let is_new =
            |worker: &procpool::status::WorkerUsage| before.workers.iter().all(|it| it.id != worker.id);
        usage.workers.iter().all(is_new).then_some(())
    };
    eventually("a sample without the dead", replaced).await;
}

#[tokio::test]
async fn a_job_that_times_out_in_the_queue_is_no_run_of_no_time() {
    let pool = verbs(1).start().await.unwrap();
    let (job, _) = begin(&pool, Verb::Obey).await;
    let late = pool.job(echo("late")).timeout(Duration::from_millis(100)).run().await.unwrap_err();
    assert_eq!(late.name(), "timed_out");
    let status = pool.status();
    assert_eq!((status.wait.count, status.run.count), (1, 0));
    drop(job);
    let both = async || (pool.status().wait.count == 2).then_some(());
    eventually("the end of the other", both).await;
    assert_eq!(pool.status().run.count, 1);
}

#[tokio::test]
async fn a_worker_that_is_killed_for_its_job_is_counted_by_what_ended_the_job() {
    let pool = verbs(1).grace(Duration::from_millis(1)).start().await.unwrap();
    let (job, _) = begin(&pool, Verb::Spin).await;
    drop(job);
    assert_eq!(gone(&pool, 1).await, [("cancelled", 1)]);
    let late = pool.job(Verb::Spin).timeout(Duration::from_millis(100)).run().await.unwrap_err();
    assert_eq!(late.name(), "timed_out");
    assert_eq!(gone(&pool, 2).await, [("cancelled", 1), ("timed_out", 1)]);
    let status = pool.status();
    assert_eq!((status.deaths, status.counters.kills), (0, 2), "the pool itself killed them");
}

#[tokio::test]
async fn deaths_that_nobody_asked_for_and_workers_that_are_let_go_are_told_apart() {
    let pool = verbs(1).poison_deaths(0).recycle_jobs(1).start().await.unwrap();
    idle(&pool, 1).await;
    assert_eq!(pool.run(Verb::Abort).await.unwrap_err().name(), "crashed");
    assert_eq!(gone(&pool, 1).await, [("crashed", 1)]);
    assert_eq!(pool.run(Verb::Die(9)).await.unwrap_err().name(), "crashed");
    assert_eq!(gone(&pool, 2).await, [("crashed", 1), ("killed", 1)]);
    assert_eq!(pool.run(Verb::Panic("no".into())).await.unwrap_err().name(), "panicked");
    assert_eq!(gone(&pool, 3).await, [("crashed", 1), ("killed", 1), ("panicked", 1)]);
    pool.run(echo("worn")).await.unwrap();
    assert_eq!(gone(&pool, 4).await.last(), Some(&("recycled", 1)));
    pool.shutdown(Duration::from_secs(5)).await;
    let status = pool.status();
    assert_eq!((status.deaths, status.deaths_by_cause["shut_down"]), (2, 1), "{status:?}");
    assert_eq!(status.counters.starts, status.deaths_by_cause.values().sum::<u64>());
}

#[tokio::test]
async fn refusals_are_counted_by_reason_and_times_have_a_sum() {
    let pool = verbs(1).queue(0).start().await.unwrap();
    let nap = pool.run(Verb::Nap(20_000)).await;
    assert!(nap.is_ok(), "{nap:?}");
    let (job, _) = begin(&pool, Verb::Spin).await;
    for _ in 0..2 {
        assert_eq!(pool.try_run(echo("full")).await.unwrap_err().name(), "refused");
    }
    let patient = pool.job(echo("late")).timeout(Duration::from_millis(10)).run().await.unwrap_err();
    assert!(
        matches!(patient, procpool::JobError::Refused(it) if matches!(it.reason, Refusal::NoSlotInTime { .. }))
    );
    drop(job);
    let status = pool.status();
    assert_eq!(counted(&status.refusals), [("no_slot_in_time", 1), ("queue_full", 2)]);
    assert_eq!((status.jobs[&OutcomeKind::Refused], status.jobs[&OutcomeKind::Ok]), (3, 1));
    assert!(status.run.sum >= Duration::from_millis(20), "{status:?}");
}

#[tokio::test]
async fn a_kill_for_a_cancelled_job_is_a_line_in_the_log() {
    let (server, logs) = Server::with_logs(&served::verbs(1, "")).await;
    let (job, _) = server.begin_spinning("").await;
    drop(job);
    let mut lines = BufReader::new(logs).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("INFO") && line.contains("cause=\"cancelled\"") {
            assert!(line.contains("did not give up its job"), "{line}");
            return;
        }
    }
    panic!("the log ended");
}
