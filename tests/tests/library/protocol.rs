//! Workers that break the protocol: each is found out, explained, and harms only itself.

use procpool::JobError;
use procpool_tests::library::misbehaving;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use std::time::Duration;

/// Why a pool of such workers does not start.
async fn start_error(how: &str) -> String {
    let started = misbehaving(how).start_timeout(Duration::from_secs(1)).start().await;
    started.err().unwrap_or_else(|| panic!("`{how}` started")).to_string()
}

/// How a job ends that such a worker is given.
async fn outcome(how: &str) -> Result<String, JobError> {
    let pool = misbehaving(how).timeout(Duration::from_secs(20)).start().await.unwrap();
    pool.run(Verb::Pid).await
}

fn violation(outcome: Result<String, JobError>) -> String {
    match outcome {
        Err(JobError::Protocol { violation, .. }) => violation,
        other => panic!("not a violation: {other:?}"),
    }
}

#[tokio::test]
async fn another_protocol_version_is_answered_readably() {
    let error = start_error("wrong_version").await;
    assert!(error.contains("the other side speaks protocol version 99 to 99, this side 2 to 2"), "{error}");
}

#[tokio::test]
async fn a_worker_that_says_nothing_is_given_up() {
    let error = start_error("silent").await;
    assert!(error.contains("not being introduced within 1s"), "{error}");
}

#[tokio::test]
async fn an_oversize_frame_is_a_violation() {
    let text = violation(outcome("oversize").await);
    assert!(text.contains("payload of 4294967295 bytes"), "{text}");
}

#[tokio::test]
async fn garbage_is_a_violation() {
    violation(outcome("garbage").await);
}

#[tokio::test]
async fn an_unknown_frame_is_a_violation() {
    let text = violation(outcome("unknown_kind").await);
    assert!(text.contains("0x7777"), "{text}");
}

#[tokio::test]
async fn an_answer_to_a_job_that_it_does_not_have_is_a_violation() {
    let text = violation(outcome("wrong_id").await);
    assert!(text.contains("job number 2 while it has 1"), "{text}");
}

#[tokio::test]
async fn a_control_frame_among_the_jobs_is_a_violation() {
    violation(outcome("wrong_connection").await);
}

#[tokio::test]
async fn a_second_answer_costs_the_worker_its_life_and_no_job_its_outcome() {
    assert_eq!(outcome("twice").await.unwrap(), "done");
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let error = outcome("half").await.unwrap_err();
    assert_eq!(error.crash_report().map(|report| report.death.exit.code()), Some(Some(0)), "{error}");
}

#[tokio::test]
async fn a_complete_answer_counts_though_the_worker_dies_right_after() {
    for _ in 0..20 {
        assert_eq!(outcome("reply_then_die").await.unwrap(), "done");
    }
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_an_answer() {
    assert_eq!(outcome("dribble").await.unwrap(), "done");
}

#[tokio::test]
async fn a_worker_that_hangs_up_is_killed_long_before_its_jobs_deadline() {
    let pool = misbehaving("hang_up").no_timeout().start().await.unwrap();
    let pid = pool.workers()[0].pid.unwrap();
    // Ten times as long as it may live from then on: whatever holds this machine up, that comes first.
    let error = pool.job(Verb::Pid).timeout(Duration::from_secs(10)).run().await.unwrap_err();
    let report = error.crash_report().unwrap_or_else(|| panic!("it was not killed: {error}"));
    assert_eq!((report.death.pid, report.death.exit.signal()), (pid, Some(9)), "{error}");
    assert!(!process::is_alive(pid));
    eventually("its replacement", async || (pool.status().workers.idle == 1).then_some(())).await;
    assert_ne!(pool.workers()[0].pid, Some(pid));
}

#[tokio::test]
async fn a_worker_that_does_not_read_runs_into_the_deadline() {
    let pool = misbehaving("deaf").start().await.unwrap();
    let large = Verb::Echo("x".repeat(8 << 20));
    let error = pool.job(large).timeout(Duration::from_millis(200)).run().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

#[tokio::test]
async fn a_worker_that_never_stops_talking_holds_up_neither_its_deadline_nor_its_neighbours() {
    let pool = misbehaving("flood").start().await.unwrap();
    let job = pool.job(Verb::Pid).timeout(Duration::from_millis(200)).try_submit().unwrap();
    let neighbours = procpool_tests::library::verbs(1).start().await.unwrap();
    assert_eq!(neighbours.run(Verb::Echo("hello".into())).await.unwrap(), "hello");
    assert!(job.await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn a_job_that_is_sent_to_a_worker_that_hung_up_is_given_to_the_next() {
    let pool =
        misbehaving("reply_then_close_control").timeout(Duration::from_secs(20)).start().await.unwrap();
    // Whether or not the pool has noticed by then: a worker that does not read its job has not begun it.
    for _ in 0..3 {
        assert_eq!(pool.run(Verb::Pid).await.unwrap(), "done");
    }
}
