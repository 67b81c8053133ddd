//! Progress and chunks from real workers.

use procpool::{JobError, JobEvent, OutcomeKind};
use procpool_tests::library::{echo, verbs};
use procpool_tests::verbs::Verb;

#[tokio::test]
async fn chunks_come_in_order_and_none_is_lost() {
    let pool = verbs(1).start().await.unwrap();
    let mut job = pool.try_submit(Verb::Count(1_000)).unwrap();
    let mut next = 0;
    while let Some(event) = job.next_event().await {
        if let JobEvent::Chunk(chunk) = event.unwrap() {
            assert_eq!(chunk, next.to_string());
            next += 1;
        }
    }
    assert_eq!((next, job.await.unwrap().as_str()), (1_000, "1000"));
}

#[tokio::test]
async fn a_job_whose_chunks_nobody_reads_waits_under_its_deadline() {
    let pool = verbs(1).start().await.unwrap();
    let mut job =
        pool.job(Verb::Count(1_000)).timeout(std::time::Duration::from_secs(1)).try_submit().unwrap();
    assert!(matches!(job.next_event().await, Some(Ok(JobEvent::Chunk(first))) if first == "0"));
    // Nothing more is taken until the time is up, so the job has no credit left by then.
    let id = job.id();
    procpool_tests::eventually("the deadline", async || {
        (pool.status().jobs.get(&OutcomeKind::TimedOut) == Some(&1)).then_some(())
    })
    .await;
    assert!(!pool.cancel(id), "it has its outcome");
    let error = job.await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
}

#[tokio::test]
async fn awaiting_the_outcome_alone_does_not_hold_up_the_job() {
    let pool = verbs(1).start().await.unwrap();
    assert_eq!(pool.try_submit(Verb::Count(1_000)).unwrap().await.unwrap(), "1000");
    assert_eq!(pool.run(Verb::Count(1_000)).await.unwrap(), "1000");
}

#[tokio::test]
async fn events_end_with_a_job_that_crashes() {
    let pool = verbs(1).start().await.unwrap();
    let mut job = pool.try_submit(Verb::Abort).unwrap();
    assert!(job.next_event().await.is_none());
    assert!(matches!(job.await.unwrap_err(), JobError::Crashed(_)));
}

#[tokio::test]
async fn a_job_whose_chunks_were_passed_on_is_not_tried_again() {
    let pool = verbs(1).idempotent(true).max_attempts(3).poison_deaths(0).start().await.unwrap();
    let mut job = pool.try_submit(Verb::AbortAfter(3)).unwrap();
    for expected in ["0", "1", "2"] {
        assert!(matches!(job.next_event().await, Some(Ok(JobEvent::Chunk(chunk))) if chunk == expected));
    }
    assert!(job.next_event().await.is_none());
    assert!(matches!(job.await.unwrap_err(), JobError::Crashed(_)));
    assert_eq!(pool.status().deaths, 1);
    // Nobody sees the chunks of this one, so nothing has to be taken back.
    assert!(matches!(pool.run(Verb::AbortAfter(3)).await.unwrap_err(), JobError::Crashed(_)));
    assert_eq!(pool.status().deaths, 4);
}
