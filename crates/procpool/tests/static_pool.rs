//! A pool that several tests share, each with a runtime of its own, and one without any: the pool lives on a thread of its own.

use procpool::error::Refusal;
use procpool::worker::serve_if_spawned;
use procpool::{Executable, Job, Pool};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Double;

impl Job for Double {
    const NAME: &'static str = "double";
    type Input = u64;
    type Output = u64;
}

/// The pool's own worker: the pool starts this very test as its executable.
#[test]
fn worker() {
    serve_if_spawned::<Double>(|n, _| Ok(2 * n));
}

static POOL: LazyLock<Pool<Double>> = LazyLock::new(|| {
    Pool::builder(Executable::this_test("worker")).workers(1..=1).start_blocking().expect("a pool")
});

#[tokio::test]
async fn the_first_test_that_uses_a_static_pool_starts_it() {
    assert_eq!(POOL.run(1).await.unwrap(), 2);
}

#[tokio::test]
async fn another_test_uses_it_when_the_runtime_of_the_first_may_have_ended() {
    assert_eq!(POOL.run(2).await.unwrap(), 4);
}

#[test]
fn runtimes_come_and_go_and_the_pool_stays() {
    for n in 0..3 {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        assert_eq!(runtime.block_on(POOL.run(n)).unwrap(), 2 * n);
    }
}

#[test]
fn a_lazy_pool_whose_runtime_ends_before_it_has_run_refuses_jobs() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let builder = Pool::<Double>::builder(Executable::this_test("worker"));
    let pool = runtime.block_on(async { builder.start_lazy().unwrap() });
    drop(runtime);
    assert_eq!(pool.try_submit(1).unwrap_err().reason, Refusal::RuntimeEnded);
}

#[test]
fn a_caller_needs_no_runtime() {
    assert_eq!(block_on(POOL.run(21)).unwrap(), 42);
}

#[test]
fn a_pool_may_be_started_on_a_runtime_that_outlives_the_callers() {
    let (own, other) = (tokio::runtime::Runtime::new().unwrap(), tokio::runtime::Runtime::new().unwrap());
    let builder = Pool::<Double>::builder(Executable::this_test("worker")).workers(1..=1).on(own.handle());
    let pool = other.block_on(builder.start()).unwrap();
    drop(other);
    assert_eq!(block_on(pool.run(21)).unwrap(), 42);
}

/// Polls on this thread, which is woken by its waker.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
