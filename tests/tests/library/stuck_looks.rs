//! Looks at a deadline that do not come to an end: the kill goes out nevertheless, and the outcome says why there is no
//! stack, or no names.

use procpool::error::ExitReport;
use procpool::status::{PoolEvent, Stack};
use procpool::{CallNames, Executable, JobError, Pool, PoolBuilder};
use procpool_tests::binaries::binary;
use procpool_tests::crashes::{Crash, Way};
use procpool_tests::{eventually, process};
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(200);

fn crashes() -> PoolBuilder<Crash> {
    let executable = Executable::path(binary("crashes")).unwrap();
    Pool::builder(executable).workers(1..=1).grace(Duration::ZERO).stack_at_deadline(true)
}

/// Has a job run into its time limit. Returns the note of its stack, the report of the death that follows, and the pool.
async fn killed(builder: impl Fn() -> PoolBuilder<Crash>, way: Way) -> (Stack, Arc<ExitReport>, Pool<Crash>) {
    let pool = builder().start().await.unwrap();
    let mut events = pool.events();
    let pid = pool.workers()[0].pid.unwrap();
    let error = pool.job(way).run_timeout(SOON).submit().await.unwrap().await.unwrap_err();
    assert!(matches!(error, JobError::TimedOut { .. }), "{error}");
    eventually("the kill", async || (!process::is_alive(pid)).then_some(())).await;
    let report = loop {
        if let PoolEvent::Died { report, reason, .. } = events.next().await.expect("the pool is there") {
            assert_eq!(reason, Some("timed_out"), "{report}");
            break report;
        }
    };
    assert_eq!(report.pid, pid);
    (error.stack().expect("a stack or a note").clone(), report, pool)
}

/// The worker waits where no tracer stops it. Once more, if it had not come that far.
#[tokio::test]
async fn a_worker_that_does_not_stop_for_the_look_is_killed_in_time_and_the_outcome_says_why() {
    let stuck = async || {
        let (stack, report, pool) = killed(crashes, Way::Stuck).await;
        let note = stack.note.clone().filter(|_| stack.frames().is_empty())?;
        assert_eq!(report.stack.as_deref(), Some(&stack), "{report}");
        assert_eq!(pool.run(Way::Not).await.unwrap(), "well");
        Some(note)
    };
    let note = eventually("a look that is stuck", stuck).await;
    assert!(note.contains("did not stop in time: it is in the middle of a system call"), "{note}");
}

/// The process that names functions never gets ready.
#[tokio::test]
async fn names_that_never_come_hold_up_neither_the_kill_nor_the_outcome() {
    let sleeps = || {
        let names = Executable::path("/bin/sleep").unwrap().with_args(["1000"]);
        crashes().names(CallNames::by_process(names))
    };
    let looked_at = async || {
        let (stack, _, pool) = killed(sleeps, Way::Spin).await;
        let note = stack.note.clone().filter(|_| !stack.frames().is_empty())?;
        assert_eq!(stack.frames()[0].module.as_deref(), Some("crashes"), "{stack:?}");
        assert_eq!(pool.run(Way::Not).await.unwrap(), "well");
        Some(note)
    };
    let note = eventually("a look in time", looked_at).await;
    assert!(note.contains("the names of the functions were not found in time"), "{note}");
}
