//! Retries: opt-in, inside the deadline, and never one too many.

use procpool::JobError;
use procpool_tests::library::verbs;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::Verb;

#[tokio::test]
async fn a_job_that_may_be_repeated_is_given_to_another_worker() {
    let scratch = Scratch::new();
    let marker = scratch.path().join("tried").display().to_string();
    let pool = verbs(1).idempotent(true).max_attempts(2).start().await.unwrap();
    assert_eq!(pool.run(Verb::AbortOnce(marker)).await.unwrap(), "attempt 2");
    assert_eq!(pool.status().deaths, 1);
}

#[tokio::test]
async fn a_job_that_always_kills_ends_with_its_last_attempt() {
    let pool = verbs(1).idempotent(true).max_attempts(3).start().await.unwrap();
    let error = pool.run(Verb::Abort).await.unwrap_err();
    assert!(matches!(&error, JobError::Crashed(it) if it.payload_deaths == 3), "{error}");
    assert_eq!(pool.status().deaths, 3);
}

#[tokio::test]
async fn a_job_may_forbid_what_its_pool_allows() {
    let pool = verbs(1).idempotent(true).max_attempts(3).start().await.unwrap();
    let error = pool.job(Verb::Abort).idempotent(false).run().await.unwrap_err();
    assert!(matches!(error, JobError::Crashed(_)), "{error}");
    assert_eq!(pool.status().deaths, 1);
}

#[tokio::test]
async fn retries_without_permission_are_a_mistake_in_the_configuration() {
    let error = verbs(1).max_attempts(2).start().await.unwrap_err().to_string();
    assert!(error.contains("idempotent"), "{error}");
}
