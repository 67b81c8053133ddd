//! A pool as a service of `tower`: ready while it takes jobs, so that a layer can shed load.

use futures_util::FutureExt as _;
use procpool::worker::serve_if_spawned;
use procpool::{Executable, Job, OutcomeKind, Pool, PoolService};
use std::time::Duration;
use tower::{Service, ServiceExt};

struct Wait;

/// Whether to wait until the job is cancelled.
impl Job for Wait {
    const NAME: &'static str = "wait";
    type Input = bool;
    type Output = bool;
}

/// The pool's own worker: the pool starts this very test as its executable.
#[test]
fn worker() {
    serve_if_spawned::<Wait>(|waits, cx| {
        while waits && !cx.is_cancelled() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(waits)
    });
}

async fn pool() -> Pool<Wait> {
    Pool::builder(Executable::this_test("worker")).workers(1..=1).queue(0).start().await.unwrap()
}

#[tokio::test]
async fn a_service_runs_jobs_and_passes_their_errors_on() {
    let pool = pool().await;
    assert!(!pool.service().oneshot(false).await.unwrap());
    pool.shutdown(Duration::ZERO).await;
    let error = pool.service().oneshot(false).await.unwrap_err();
    assert_eq!(error.kind(), OutcomeKind::Refused, "{error}");
}

#[tokio::test]
async fn a_service_is_ready_while_the_pool_takes_jobs_and_again_when_it_does() {
    let pool = pool().await;
    let long = pool.try_submit(true).unwrap();
    let mut shedding = tower::load_shed::LoadShed::new(pool.service());
    let shed = shedding.ready().await.unwrap().call(false).await.unwrap_err();
    assert!(shed.is::<tower::load_shed::error::Overloaded>(), "{shed}");
    let waiting = tokio::spawn(pool.service().oneshot(false));
    drop(long);
    assert!(!waiting.await.unwrap().unwrap());
    assert!(!PoolService::call(&mut pool.service(), false).await.unwrap());
}

#[tokio::test]
async fn services_that_are_asked_once_and_kept_take_no_turn_of_a_caller() {
    let pool = pool().await;
    let long = pool.try_submit(true).unwrap();
    let mut kept = [(); 16].map(|()| pool.service());
    assert!(kept.iter_mut().all(|service| service.ready().now_or_never().is_none()), "the one slot is taken");
    let mut caller = Box::pin(pool.run(false));
    assert!((&mut caller).now_or_never().is_none());
    drop(long);
    assert!(!caller.await.unwrap());
    assert!(!kept[0].ready().await.unwrap().call(false).await.unwrap());
}
