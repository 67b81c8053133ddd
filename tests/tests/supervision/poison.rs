//! Payloads that kill the workers that run them.

use procpool::JobError;
use procpool::error::Stage;
use procpool_tests::library::{begin, echo, idle, misbehaving, verbs};
use procpool_tests::process;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use rustix::process::Signal;

#[tokio::test]
async fn a_poisonous_job_kills_as_many_workers_as_it_has_attempts_and_no_more_when_sent_again() {
    let pool = verbs(2).idempotent(true).max_attempts(3).start().await.unwrap();
    let error = pool.run(Verb::Abort).await.unwrap_err();
    match &error {
        JobError::Crashed(crash) => {
            assert_eq!((crash.death.exit.signal(), crash.payload_deaths), (Some(6), 3));
            assert!(crash.quarantined.is_some(), "{crash}");
        }
        other => panic!("not crashed: {other}"),
    }
    assert!(error.may_have_run());
    for _ in 0..5 {
        let again = pool.run(Verb::Abort).await.unwrap_err();
        let stage = Stage::Queued;
        assert!(matches!(again, JobError::Poisoned { stage: it, .. } if it == stage), "{again}");
        assert!(!again.may_have_run() && again.http_status() == 422);
    }
    assert_eq!(pool.status().deaths, 3);
    assert_eq!(pool.run(echo("another payload")).await.unwrap(), "another payload");
    idle(&pool, 2).await;
}

#[tokio::test]
async fn a_payload_that_is_not_repeated_by_the_pool_is_given_up_all_the_same() {
    let pool = verbs(1).start().await.unwrap();
    for deaths in 1..4 {
        let error = pool.run(Verb::Abort).await.unwrap_err();
        let JobError::Crashed(crash) = &error else { panic!("not crashed: {error}") };
        assert_eq!((crash.payload_deaths, crash.quarantined.is_some()), (deaths, deaths == 3));
    }
    for _ in 0..3 {
        assert_eq!(pool.run(Verb::Abort).await.unwrap_err().name(), "poisoned");
    }
    assert_eq!(pool.status().deaths, 3);
}

#[tokio::test]
async fn copies_that_waited_before_the_first_death_kill_no_more_workers_than_those_that_come_later() {
    let scratch = Scratch::new();
    let gate = scratch.path().join("gate");
    let pool = verbs(1).start().await.unwrap();
    let first = pool.try_submit(Verb::WaitFor(gate.display().to_string())).unwrap();
    let copies: Vec<_> = (0..10).map(|_| pool.try_submit(Verb::Abort).unwrap()).collect();
    let innocent = pool.try_submit(echo("another payload")).unwrap();
    assert_eq!(pool.status().queued, 11);
    std::fs::write(&gate, "").unwrap();
    first.await.unwrap();
    let mut ends = Vec::new();
    for copy in copies {
        let error = copy.await.unwrap_err();
        ends.push((error.name(), error.may_have_run(), error.crash_report().is_some()));
    }
    assert_eq!(ends[..3], [("crashed", true, true); 3]);
    assert_eq!(ends[3..], [("poisoned", false, false); 7]);
    assert_eq!(innocent.await.unwrap(), "another payload");
    assert_eq!(pool.status().deaths, 3);
}

#[tokio::test]
async fn a_payload_at_which_workers_hang_up_and_have_to_be_killed_is_given_up() {
    let pool = misbehaving("hang_up").start().await.unwrap();
    let mut ends = Vec::new();
    for _ in 0..4 {
        ends.push(pool.run(Verb::Pid).await.unwrap_err().name());
    }
    assert_eq!(ends, ["crashed", "crashed", "crashed", "poisoned"]);
}

#[tokio::test]
async fn a_kill_from_outside_is_not_held_against_a_payload() {
    let pool = verbs(1).poison_deaths(1).start().await.unwrap();
    for _ in 0..3 {
        idle(&pool, 1).await;
        let (job, pid) = begin(&pool, Verb::Spin).await;
        process::kill(pid);
        let error = job.await.unwrap_err();
        assert!(matches!(&error, JobError::Crashed(it) if it.payload_deaths == 0), "{error:?}");
    }
}

/// A worker that handles none of these signals dies of them as these do.
#[tokio::test]
async fn a_signal_by_which_people_end_programs_is_not_held_against_a_payload() {
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
        let pool = verbs(1).start().await.unwrap();
        for _ in 0..4 {
            let error = pool.run(Verb::Die(signal.as_raw())).await.unwrap_err();
            assert!(matches!(&error, JobError::Crashed(it) if it.payload_deaths == 0), "{signal:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_pool_may_go_without_a_quarantine() {
    let pool = verbs(1).poison_deaths(0).start().await.unwrap();
    for _ in 0..6 {
        assert_eq!(pool.run(Verb::Abort).await.unwrap_err().name(), "crashed");
    }
}

#[tokio::test]
async fn a_payloads_last_death_is_502_and_the_payload_422_from_then_on() {
    let server = Server::of_verbs(1, "poison_deaths = 1").await;
    let answer = server.perform(&Verb::Abort).await;
    let problem = answer.problem();
    assert_eq!(
        (answer.status, &problem["outcome"], &problem["stage"]),
        (502, &"crashed".into(), &"running".into())
    );
    let crash = &problem["crash"];
    assert_eq!((&crash["signal_name"], &crash["quarantined"]), (&"SIGABRT".into(), &true.into()));
    let again = server.perform(&Verb::Abort).await;
    let problem = again.problem();
    assert_eq!(
        (again.status, &problem["stage"], &problem["may_have_run"]),
        (422, &"queued".into(), &false.into())
    );
    assert!(problem["remaining_ms"].as_u64() > Some(500_000), "{problem}");
    assert_eq!(server.pool("verbs").await["deaths"], 1);
}
