//! The size and the life of a pool: resized, waited for, closed.

use procpool::error::Refusal;
use procpool::{OutcomeKind, Pool};
use procpool_tests::library::{begin, echo, executable, idle, misbehaving, verbs};
use procpool_tests::replaceable::Replaceable;
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, process};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn a_pool_is_resized_and_no_job_is_disturbed() {
    let pool = verbs(1).start().await.unwrap();
    pool.resize(3).unwrap();
    pool.ready(3).await.unwrap();
    let (job, pid) = begin(&pool, Verb::Spin).await;
    pool.resize(1).unwrap();
    let only = async || match pool.workers().as_slice() {
        [worker] => Some(worker.pid),
        _ => None,
    };
    assert_eq!(eventually("one worker to be left", only).await, Some(pid));
    let status = pool.status();
    assert_eq!((status.min_workers, status.max_workers, status.running), (1, 1, 1));
    drop(job);
    idle(&pool, 1).await;
    let none = pool.resize(0).unwrap_err().to_string();
    assert!(none.contains("min_workers is 0 and max_workers is 0"), "{none}");
    // Exactly the maximum.
    pool.ready(9).await.unwrap();
}

/// Beyond any start, and under the test's own patience.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_pool_is_ready_when_the_workers_that_it_keeps_without_a_job_are() {
    let pool = verbs(1).workers(1..=4).start().await.unwrap();
    timeout(LONG, pool.ready(4)).await.expect("the other three start for jobs only").unwrap();
    let lazy = verbs(1).start_lazy().unwrap();
    timeout(LONG, lazy.ready(1)).await.expect("it keeps no worker yet").unwrap();
    lazy.run(echo("awake")).await.unwrap();
    timeout(LONG, lazy.ready(1)).await.expect("it keeps one").unwrap();
}

/// Polls it once. Returns whether it is still to come.
async fn waits(mut future: Pin<&mut impl Future>) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn waiting_for_workers_that_never_get_ready_ends_when_the_pool_is_resized_or_closed() {
    let pool = misbehaving("silent").workers(2..=2).start_lazy().unwrap();
    // A lazy pool begins to keep workers with its first job.
    let _job = pool.try_submit(echo("never")).unwrap();
    let wait = async |until: fn(&Pool<Verbs>)| {
        let mut ready = std::pin::pin!(pool.ready(2));
        assert!(waits(ready.as_mut()).await);
        until(&pool);
        timeout(LONG, ready).await.expect("to be told")
    };
    wait(|pool| pool.resize(0..=2).unwrap()).await.unwrap();
    pool.resize(2).unwrap();
    assert_eq!(wait(Pool::close).await.unwrap_err().reason, Refusal::ShuttingDown);
}

#[test]
fn waiting_for_workers_that_never_get_ready_ends_with_the_runtime_of_the_pool() {
    let of_pool = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let pool = of_pool.block_on(async { misbehaving("silent").start_lazy().unwrap() });
    let _job = pool.try_submit(echo("never")).unwrap();
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = other.block_on(async {
        let mut ready = std::pin::pin!(pool.ready(1));
        assert!(waits(ready.as_mut()).await);
        of_pool.shutdown_background();
        timeout(LONG, ready).await.expect("to be told").unwrap_err()
    });
    assert_eq!(refused.reason, Refusal::RuntimeEnded);
}

#[tokio::test]
async fn a_pool_whose_worker_died_is_ready_when_another_has_taken_its_place() {
    let pool = verbs(1).start().await.unwrap();
    let died = pool.workers()[0].pid;
    pool.run(Verb::Abort).await.unwrap_err();
    timeout(LONG, pool.ready(1)).await.expect("another one").unwrap();
    assert_eq!(pool.status().workers.idle, 1);
    assert_ne!(pool.workers()[0].pid, died);
}

#[tokio::test]
async fn a_pool_is_ready_once_its_workers_start_whatever_failed_before() {
    let worker = Replaceable::new("verbs");
    worker.become_script("exit 1");
    let builder = Pool::<Verbs>::builder(worker.executable(&[])).workers(1..=1);
    let pool = builder.breaker_failures(1).start_lazy().unwrap();
    let job = pool.try_submit(echo("patience")).unwrap();
    eventually("the breaker to open", async || pool.status().breaker_open.then_some(())).await;
    let mut ready = std::pin::pin!(pool.ready(1));
    assert!(waits(ready.as_mut()).await);
    worker.become_binary("verbs");
    pool.reload().await.unwrap();
    timeout(LONG, ready).await.expect("the mended one").unwrap();
    assert_eq!(job.await.unwrap(), "patience");
}

#[tokio::test]
async fn a_closed_pool_finishes_its_jobs_and_ends() {
    let pool = verbs(1).start().await.unwrap();
    let (weak, mut events) = (pool.downgrade(), pool.events());
    let job = pool.try_submit(echo("accepted before")).unwrap();
    assert!(!pool.is_closed());
    pool.close();
    assert!(pool.is_closed() && weak.upgrade().is_some());
    assert_eq!(pool.run(echo("too late")).await.unwrap_err().kind(), OutcomeKind::Refused);
    assert_eq!(pool.ready(1).await.unwrap_err().reason, Refusal::ShuttingDown);
    assert_eq!(job.await.unwrap(), "accepted before");
    while events.next().await.is_some() {}
    drop(pool);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_pool_on_a_thread_of_its_own_ends_with_its_last_handle() {
    let pool = Pool::<Verbs>::builder(executable("verbs")).workers(1..=1).start_blocking().unwrap();
    let pid = pool.workers()[0].pid.unwrap();
    assert!(process::is_alive(pid));
    drop(pool);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(eventually("its worker to be gone", async || (!process::is_alive(pid)).then_some(())));
}

#[test]
fn a_pool_with_a_nul_in_its_name_starts_on_a_thread_of_its_own_as_anywhere() {
    let builder = || Pool::<Verbs>::builder(executable("verbs")).workers(1..=1).name("a\0b");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let elsewhere = runtime.block_on(builder().start()).map(drop).map_err(|error| error.to_string());
    let own = builder().start_blocking().map(drop).map_err(|error| error.to_string());
    assert_eq!(own, elsewhere);
}

#[test]
fn a_pool_that_is_started_by_a_blocking_call_lives_on_the_runtime_that_it_is_given() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let builder = || Pool::<Verbs>::builder(executable("verbs")).workers(1..=1).on(&handle);
    let pool = builder().start_blocking().unwrap();
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = other.block_on(pool.run(echo("too late"))).unwrap_err().to_string();
    assert!(refused.contains("runtime"), "{refused}");
    let error = builder().start_blocking().unwrap_err().to_string();
    assert!(error.contains("the runtime has ended"), "{error}");
}
