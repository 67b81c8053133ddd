//! [`PoolService`]: a pool as a `tower` service, for middleware such as rate limits, load shedding and tracing. Feature
//! `tower`.

use super::Pool;
use super::core::Core;
use procpool_protocol::{Job, JobError};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_service::Service;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A pool as a [`Service`]: ready while the pool takes jobs, so that middleware can wait or shed load.
///
/// Readiness reserves nothing. If several clones take the last queue slots at once, the late ones wait for a
/// slot within the job's deadline, as [`Pool::run`] does.
///
/// ```no_run
/// # use procpool_coordinator::{Executable, Pool};
/// # procpool_protocol::job!(Fib, "fib", u64 => u64);
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_service::Service;
///
/// let pool = Pool::<Fib>::builder(Executable::find("procpool-fib")?).start().await?;
/// let mut service = pool.service();
/// std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
/// assert_eq!(service.call(40).await?, 102_334_155);
/// # Ok(())
/// # }
/// ```
pub struct PoolService<J> {
    pool: Pool<J>,
    /// Keeps the place in the line of callers that wait for a slot, and with it the waker.
    slot: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl<J> Clone for PoolService<J> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), slot: None }
    }
}

impl<J> fmt::Debug for PoolService<J> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("PoolService").field(&self.pool).finish()
    }
}

impl Core {
    /// Waits until a small job would not be refused for a full queue.
    async fn has_slot(&self) {
        let waiting = self.patient.watch();
        loop {
            // Before the question, so that a slot that comes free in between is not missed.
            waiting.listen();
            let room = if self.is_here() { self.with(|state, _| state.scheduler.room()) } else { Some(0) };
            if let Some(room) = room {
                // Nothing is reserved, so that the next service is ready, too.
                return waiting.pass_on(room);
            }
            waiting.woken().await;
        }
    }
}

impl<J: Job> Pool<J> {
    /// Returns the pool as a `tower` service.
    pub fn service(&self) -> PoolService<J> {
        PoolService { pool: self.clone(), slot: None }
    }
}

impl<J: Job> Service<J::Input> for PoolService<J> {
    type Response = J::Output;
    type Error = JobError;
    type Future = Boxed<Result<J::Output, JobError>>;

    /// Becomes ready when the pool takes a job now, or would refuse it for another reason than a full queue.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), JobError>> {
        let slot = self.slot.get_or_insert_with(|| {
            let core = self.pool.raw.core().clone();
            Box::pin(async move { core.has_slot().await })
        });
        ready!(slot.as_mut().poll(cx));
        self.slot = None;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, input: J::Input) -> Self::Future {
        let pool = self.pool.clone();
        Box::pin(async move { pool.run(input).await })
    }
}

/// A service may be shared by threads, as some middleware demands.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    struct Any;
    impl Job for Any {
        const NAME: &'static str = "any";
        type Input = ();
        type Output = ();
    }
    is_shared::<PoolService<Any>>();
};
