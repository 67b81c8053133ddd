//! Deadlines, cancels and the bounded queue, with real workers.

use procpool::error::{Refusal, Stage};
use procpool::{JobError, OutcomeKind};
use procpool_tests::library::{begin, echo, verbs};
use procpool_tests::server::Scratch;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use std::time::Duration;

#[tokio::test]
async fn a_deadline_ends_in_a_kill() {
    let pool = verbs(1).start().await.unwrap();
    // Long enough for the job to begin on any machine, or there would be nothing to kill.
    let mut job = pool.job(Verb::Spin).timeout(Duration::from_secs(2)).try_submit().unwrap();
    job.next_progress().await.expect("the job begins");
    let pid = pool.workers()[0].pid.unwrap();
    let error = job.await.unwrap_err();
    assert!(matches!(error, JobError::TimedOut { stage: Stage::Running, .. }), "{error}");
    assert!(error.is_timeout() && error.may_have_run());
    eventually("the kill", async || (!process::is_alive(pid)).then_some(())).await;
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
}

#[tokio::test]
async fn a_run_timeout_does_not_count_the_queue() {
    let pool = verbs(1).start().await.unwrap();
    // Longer than the one behind it may run.
    let blocker = pool.try_submit(Verb::Nap(1_500_000)).unwrap();
    // And long enough that its timer rings first, if that is too early.
    let waited = pool.job(Verb::Nap(100_000)).run_timeout(Duration::from_secs(1)).try_submit().unwrap();
    waited.await.expect("it waits for longer than it may run, and runs for less");
    blocker.await.unwrap();
    let job = pool.job(Verb::Spin).run_timeout(Duration::from_millis(50)).try_submit().unwrap();
    let error = job.await.unwrap_err();
    assert!(
        matches!(error, JobError::TimedOut { stage: Stage::Running, limit, .. } if limit == Duration::from_millis(50)),
        "{error}"
    );
}

#[tokio::test]
async fn a_job_that_expires_in_the_queue_is_never_run() {
    let scratch = Scratch::new();
    let log = scratch.path().join("log").display().to_string();
    let pool = verbs(1).start().await.unwrap();
    let (blocker, _) = begin(&pool, Verb::Obey).await;
    let error = pool
        .job(Verb::Log(log.clone(), "ran".into()))
        .timeout(Duration::from_millis(20))
        .run()
        .await
        .unwrap_err();
    assert!(matches!(error, JobError::TimedOut { stage: Stage::Queued, .. }), "{error}");
    assert!(!error.may_have_run());
    blocker.cancel();
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
    assert!(!std::path::Path::new(&log).exists());
}

#[tokio::test]
async fn a_cancelled_job_that_obeys_keeps_its_worker() {
    let pool = verbs(1).grace(Duration::from_secs(20)).start().await.unwrap();
    let before = pool.workers()[0].pid;
    let (job, _) = begin(&pool, Verb::Obey).await;
    assert!(job.cancel());
    assert!(!job.cancel(), "it has its outcome");
    assert!(matches!(job.await.unwrap_err(), JobError::Cancelled { stage: Stage::Running, .. }));
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
    assert_eq!(pool.workers()[0].pid, before);
}

#[tokio::test]
async fn a_cancelled_job_that_does_not_obey_is_killed() {
    let pool = verbs(1).start().await.unwrap();
    let (job, pid) = begin(&pool, Verb::Spin).await;
    let id = job.id();
    assert!(pool.cancel(id));
    assert!(matches!(job.await.unwrap_err(), JobError::Cancelled { stage: Stage::Running, .. }));
    eventually("the kill", async || (!process::is_alive(pid)).then_some(())).await;
    assert!(!pool.cancel(id));
}

#[tokio::test]
async fn dropping_a_caller_cancels_its_job() {
    let pool = verbs(1).start().await.unwrap();
    tokio::select! {
        _ = pool.run(Verb::Spin) => panic!("spinning ended"),
        () = eventually("the job to be running", async || (pool.status().running == 1).then_some(())) => {}
    }
    assert_eq!(pool.run(echo("the worker is free again")).await.unwrap(), "the worker is free again");
    assert_eq!(pool.status().jobs[&OutcomeKind::Cancelled], 1);
}

#[tokio::test]
async fn a_detached_job_goes_on() {
    let scratch = Scratch::new();
    let log = scratch.path().join("log");
    let pool = verbs(1).start().await.unwrap();
    pool.try_submit(Verb::Log(log.display().to_string(), "ran".into())).unwrap().detach();
    eventually("the job's effect", async || {
        std::fs::read_to_string(&log).ok().filter(|text| text == "ran\n")
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_or_keeps_the_patient_waiting() {
    let pool = verbs(1).queue(1).start().await.unwrap();
    let (running, _) = begin(&pool, Verb::Obey).await;
    let queued = pool.try_submit(echo("queued")).unwrap();

    let error = pool.try_run(echo("refused")).await.unwrap_err();
    assert!(matches!(&error, JobError::Refused(refused) if refused.reason == Refusal::queue_full(1)));
    assert!(error.is_retryable() && error.retry_after().is_some());

    let limit = Duration::from_millis(20);
    let error = pool.job(echo("impatient")).timeout(limit).run().await.unwrap_err();
    assert!(
        matches!(&error, JobError::Refused(refused) if refused.reason == Refusal::no_slot_in_time(limit))
    );

    let patient = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(echo("patient")).await }
    });
    running.cancel();
    assert_eq!(queued.await.unwrap(), "queued");
    assert_eq!(patient.await.unwrap().unwrap(), "patient");
}

#[tokio::test]
async fn inputs_beyond_the_bytes_of_the_queue_are_refused_at_once_or_wait_patiently() {
    let text = |length| echo(&"x".repeat(length));
    let pool = verbs(1).queue_bytes(100_000).start().await.unwrap();
    let (running, _) = begin(&pool, Verb::Obey).await;
    // A job of any size may wait alone.
    let queued = pool.try_submit(text(200_000)).unwrap();

    let error = pool.try_run(text(10)).await.unwrap_err();
    let JobError::Refused(refused) = &error else { panic!("{error}") };
    let Refusal::QueueBytesFull { waiting, size, limit: 100_000, .. } = refused.reason else {
        panic!("{error}")
    };
    assert!(waiting > 200_000 && size > 10, "{error}");
    assert!(error.to_string().contains("`queue_bytes` is 100000"), "{error}");
    assert!(error.is_retryable() && error.retry_after().is_some());

    let status = pool.status();
    assert_eq!((status.queued, status.queued_bytes, status.queue_bytes_limit), (1, waiting, 100_000));

    let limit = Duration::from_millis(20);
    let error = pool.job(text(10)).timeout(limit).run().await.unwrap_err();
    assert!(
        matches!(&error, JobError::Refused(refused) if refused.reason == Refusal::no_slot_in_time(limit))
    );

    let patient: Vec<_> = [90_000, 10, 150_000, 90_000, 10]
        .map(|length| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(text(length)).await.map(|output| output.len()) })
        })
        .into();
    running.cancel();
    assert_eq!(queued.await.unwrap().len(), 200_000);
    for (patient, length) in patient.into_iter().zip([90_000, 10, 150_000, 90_000, 10]) {
        assert_eq!(patient.await.unwrap().unwrap(), length);
    }
    assert_eq!(pool.status().queued_bytes, 0);
}

#[tokio::test]
async fn outputs_that_nobody_takes_are_counted_and_stop_nobody_else() {
    let text = "x".repeat(100_000);
    let pool = verbs(1).start().await.unwrap();
    let kept: Vec<_> = (0..8).map(|_| pool.try_submit(echo(&text)).unwrap()).collect();
    let dropped = pool.try_submit(echo(&text)).unwrap();
    let ended =
        async || (pool.status().jobs.get(&OutcomeKind::Ok) == Some(&9)).then(|| pool.status().output_bytes);
    let bytes = eventually("the jobs to end", ended).await;
    assert!(bytes >= 9 * 100_000, "{bytes}");
    assert_eq!(pool.run(echo("somebody else's")).await.unwrap(), "somebody else's");
    drop(dropped);
    assert!(pool.status().output_bytes < bytes);
    for job in kept {
        assert_eq!(job.await.unwrap(), text);
    }
    assert_eq!(pool.status().output_bytes, 0);
}

#[tokio::test]
async fn many_patient_callers_share_a_queue_of_one() {
    let pool = verbs(2).queue(1).start().await.unwrap();
    let callers: Vec<_> = (0..200)
        .map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(echo(&n.to_string())).await })
        })
        .collect();
    for (n, caller) in callers.into_iter().enumerate() {
        assert_eq!(caller.await.unwrap().unwrap(), n.to_string());
    }
}

#[tokio::test]
async fn without_a_queue_callers_wait_for_a_worker() {
    let pool = verbs(1).queue(0).start().await.unwrap();
    let (running, _) = begin(&pool, Verb::Obey).await;
    let patient = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(echo("patient")).await }
    });
    let error = pool.try_run(echo("refused")).await.unwrap_err();
    assert!(matches!(&error, JobError::Refused(refused) if refused.reason == Refusal::queue_full(0)));
    running.cancel();
    assert_eq!(patient.await.unwrap().unwrap(), "patient");
}

#[tokio::test]
async fn callers_that_wait_hear_of_a_shutdown() {
    let pool = verbs(1).queue(0).no_timeout().start().await.unwrap();
    let (running, _) = begin(&pool, Verb::Obey).await;
    let patient = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(echo("patient")).await }
    });
    // It is refused, and waits.
    tokio::task::yield_now().await;
    assert!(!patient.is_finished());
    pool.shutdown(Duration::from_millis(1)).await;
    drop(running);
    let told =
        tokio::time::timeout(Duration::from_secs(30), patient).await.expect("it hears of the shutdown");
    let error = told.unwrap().unwrap_err();
    assert!(
        matches!(&error, JobError::Refused(refused) if refused.reason == Refusal::ShuttingDown),
        "{error}"
    );
}
