//! Workers that cannot start: pauses, then a breaker, then 503 with a time to come back; and the way out of it.

use procpool::error::Refusal;
use procpool::{JobError, Pool, PoolBuilder};
use procpool_tests::eventually;
use procpool_tests::library::{echo, idle};
use procpool_tests::replaceable::Replaceable;
use procpool_tests::server::Server;
use procpool_tests::verbs::{Verb, Verbs};
use std::time::Duration;

/// Returns a lazy pool whose worker does not start.
fn broken(worker: &Replaceable) -> PoolBuilder<Verbs> {
    worker.become_script("echo no such model >&2; exit 1");
    Pool::builder(worker.executable(&[])).workers(1..=2)
}

async fn breaker_opens(pool: &Pool<Verbs>) {
    eventually("the breaker to open", async || pool.status().breaker_open.then_some(())).await;
}

fn refusal(error: &JobError) -> (&'static str, Option<Duration>) {
    match error {
        JobError::Refused(refused) => (refused.reason.name(), error.retry_after()),
        other => panic!("not refused: {other}"),
    }
}

#[tokio::test]
async fn workers_that_cannot_start_open_the_breaker_and_jobs_are_refused_at_once() {
    let worker = Replaceable::new("verbs");
    let pool = broken(&worker).start_lazy().unwrap();
    let waiting = pool.try_submit(echo("patience")).unwrap();
    breaker_opens(&pool).await;

    let error = pool.run(Verb::Pid).await.unwrap_err();
    let (reason, retry_after) = refusal(&error);
    assert_eq!(reason, "breaker_open");
    assert!(retry_after >= Some(Duration::from_secs(1)) && error.is_retryable(), "{error}");
    assert!(error.to_string().contains("no such model"), "the last words of the last worker: {error}");
    // Exactly as many as the pauses allow: a failed start costs a process each.
    assert!(pool.status().deaths <= 8, "{:?}", pool.status());
    drop(waiting);
}

#[tokio::test]
async fn a_breaker_closes_when_the_executable_is_mended() {
    let worker = Replaceable::new("verbs");
    let pool = broken(&worker).start_lazy().unwrap();
    let waiting = pool.try_submit(echo("patience")).unwrap();
    breaker_opens(&pool).await;
    worker.become_binary("verbs");
    pool.reload().await.unwrap();
    assert_eq!(waiting.await.unwrap(), "patience", "it had been accepted, and waited");
    assert!(!pool.status().breaker_open);
    idle(&pool, 1).await;
}

#[tokio::test]
async fn a_missing_executable_is_like_one_that_does_not_start() {
    let worker = Replaceable::new("verbs");
    worker.become_script("exit 1");
    let pool = Pool::<Verbs>::builder(worker.executable(&[])).workers(0..=1).start_lazy().unwrap();
    worker.vanish();
    let waiting = pool.try_submit(echo("patience")).unwrap();
    breaker_opens(&pool).await;
    let refused = pool.run(Verb::Pid).await.unwrap_err();
    assert!(
        matches!(&refused, JobError::Refused(it) if matches!(&it.reason, Refusal::BreakerOpen { last_death, .. }
        if last_death.contains("failed to spawn"))),
        "{refused}"
    );
    drop(waiting);
}

#[tokio::test]
async fn an_open_breaker_is_503_with_retry_after_and_the_server_lives_on() {
    let worker = Replaceable::new("verbs");
    worker.become_script("exit 1");
    let config = format!("[pools.verbs]\ncommand = [{:?}]\nmin_workers = 0\n", worker.path());
    let server = Server::with_config(&config).await;
    let waiting = server.begin_with(&echo("patience"), "").await;
    let open = async || server.pool("verbs").await["breaker_open"].as_bool().filter(|&open| open);
    eventually("the breaker to open", open).await;
    let answer = server.perform(&echo("refused")).await;
    assert_eq!((answer.status, &answer.problem()["reason"]), (503, &"breaker_open".into()));
    assert!(
        answer.header("retry-after").is_some_and(|after| after.parse::<u64>().is_ok_and(|after| after > 0))
    );
    assert_eq!(procpool_tests::http::get(server.address(), "/livez").await.status, 200);
    drop(waiting);
}
