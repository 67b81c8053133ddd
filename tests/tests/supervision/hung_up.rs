//! Workers that close their connections and live on, as one does that becomes another program. They are killed for
//! that, and every report says so.

use procpool::error::ExitReport;
use procpool::status::{PoolEvent, PoolEvents};
use procpool::{JobError, Pool};
use procpool_tests::library::{echo, verbs};
use procpool_tests::verbs::{Verb, Verbs};
use std::sync::Arc;
use std::time::Duration;

fn becomes_another() -> Verb {
    Verb::Exec("sleep".into(), vec!["1000".into()])
}

/// Returns the report of the next death, and the pool's reason for it.
async fn died(events: &mut PoolEvents) -> (Arc<ExitReport>, Option<&'static str>) {
    loop {
        if let PoolEvent::Died { report, reason, .. } = events.next().await.expect("the pool is there") {
            return (report, reason);
        }
    }
}

fn told(pool: &Pool<Verbs>, cause: &str) -> u64 {
    pool.status().deaths_by_cause[cause]
}

#[tokio::test]
async fn a_worker_that_becomes_another_program_is_killed_for_that_and_its_job_crashed() {
    let pool = verbs(1).start().await.unwrap();
    let error = pool.run(becomes_another()).await.unwrap_err();
    let report = error.crash_report().unwrap_or_else(|| panic!("{error}"));
    assert!(report.death.hung_up && report.death.exit.signal() == Some(9), "{report:?}");
    assert!(
        report.to_string().contains("it had closed its connection and lived on, so it was killed"),
        "{report}"
    );
    assert_eq!(serde_json::to_value(report).unwrap()["hung_up"], true);
    assert_eq!((told(&pool, "hung_up"), told(&pool, "crashed"), told(&pool, "killed")), (1, 0, 0));
    assert_eq!(pool.status().deaths, 1, "nobody had asked for it");
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
}

#[tokio::test]
async fn one_that_is_killed_at_its_jobs_deadline_before_says_both() {
    let pool = verbs(1).grace(Duration::ZERO).start().await.unwrap();
    let mut events = pool.events();
    let limit = Duration::from_millis(100);
    let error = pool.job(becomes_another()).run_timeout(limit).submit().await.unwrap().await.unwrap_err();
    assert!(matches!(error, JobError::TimedOut { .. }), "{error}");
    let (report, reason) = died(&mut events).await;
    assert_eq!((reason, told(&pool, "timed_out")), (Some("timed_out"), 1), "{report}");
    assert!(report.hung_up && report.to_string().contains("closed its connection"), "{report}");
}

/// A worker that dies closes its connections as well.
#[tokio::test]
async fn no_other_death_is_told_as_that() {
    let pool = verbs(1).grace(Duration::ZERO).start().await.unwrap();
    let mut events = pool.events();
    for verb in [Verb::Abort, Verb::Exit(3), Verb::Die(9)] {
        pool.run(verb).await.unwrap_err();
        let (report, _) = died(&mut events).await;
        assert!(!report.hung_up, "{report}");
    }
    pool.job(Verb::Nap(u64::MAX))
        .run_timeout(Duration::from_millis(50))
        .submit()
        .await
        .unwrap()
        .await
        .unwrap_err();
    let (report, reason) = died(&mut events).await;
    assert!(!report.hung_up && reason == Some("timed_out"), "{report}");
    assert_eq!(told(&pool, "hung_up"), 0);
}
