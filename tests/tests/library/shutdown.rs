//! The end of a pool: asked for, dropped, or its runtime gone; never a process left behind.

use procpool::JobError;
use procpool::error::{Refusal, ReloadError, Stage};
use procpool_tests::library::{begin, echo, verbs};
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use std::time::Duration;

#[tokio::test]
async fn shutting_down_finishes_what_was_accepted_and_leaves_no_process() {
    let pool = verbs(2).start().await.unwrap();
    let jobs: Vec<_> = (0..20).map(|n| pool.try_submit(echo(&n.to_string())).unwrap()).collect();
    let pids: Vec<u32> = pool.workers().iter().filter_map(|worker| worker.pid).collect();
    let report = pool.shutdown(Duration::from_secs(20)).await;
    assert_eq!(report.shut_down, 0);
    for (n, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.await.unwrap(), n.to_string());
    }
    assert!(pids.iter().all(|&pid| process::state(pid).is_none()), "reaped, not only dead");
    let error = pool.run(echo("late")).await.unwrap_err();
    assert!(
        matches!(&error, JobError::Refused(refused) if refused.reason == Refusal::ShuttingDown),
        "{error}"
    );
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut() {
    let pool = verbs(1).start().await.unwrap();
    let (running, _) = begin(&pool, Verb::Spin).await;
    let queued = pool.try_submit(echo("queued")).unwrap();
    let report = pool.shutdown(Duration::from_millis(20)).await;
    assert_eq!(report.shut_down, 2);
    assert!(matches!(running.await.unwrap_err(), JobError::ShutDown { stage: Stage::Running, .. }));
    assert!(matches!(queued.await.unwrap_err(), JobError::ShutDown { stage: Stage::Queued, .. }));
}

#[tokio::test]
async fn dropping_the_last_handle_kills_the_workers_and_ends_the_jobs() {
    let pool = verbs(1).start().await.unwrap();
    let (job, pid) = begin(&pool, Verb::Spin).await;
    drop(pool.clone());
    assert!(process::is_alive(pid));
    drop(pool);
    assert!(matches!(job.await.unwrap_err(), JobError::ShutDown { .. }));
    eventually("the worker to be reaped", async || process::state(pid).is_none().then_some(())).await;
}

#[test]
fn a_pool_may_be_dropped_outside_of_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = runtime.block_on(verbs(1).start()).unwrap();
    let pid = pool.workers()[0].pid.unwrap();
    drop(pool);
    let watch = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    watch.block_on(eventually("the worker to be reaped", async || {
        process::state(pid).is_none().then_some(())
    }));
}

#[test]
fn everything_ends_when_the_runtime_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = runtime.block_on(verbs(1).start()).unwrap();
    let (job, pid) = runtime.block_on(begin(&pool, Verb::Spin));
    runtime.shutdown_background();
    let watch = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = watch
        .block_on(async { tokio::time::timeout(procpool_tests::PATIENCE, job).await })
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, JobError::ShutDown { .. }), "{error}");
    watch.block_on(eventually("the worker to be reaped", async || {
        process::state(pid).is_none().then_some(())
    }));
    let error = watch.block_on(pool.run(echo("late"))).unwrap_err();
    assert!(
        matches!(&error, JobError::Refused(refused) if refused.reason == Refusal::RuntimeEnded),
        "{error}"
    );
    assert!(error.to_string().contains("the runtime on which pool `verbs` was started has ended"), "{error}");
    let error = watch.block_on(pool.reload()).unwrap_err();
    assert!(matches!(&error, ReloadError::RuntimeEnded { pool, .. } if pool == "verbs"), "{error}");
    assert!(error.to_string().contains("the runtime on which it was started has ended"), "{error}");
}
