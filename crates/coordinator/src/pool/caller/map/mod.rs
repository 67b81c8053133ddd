//! [`Map`]: many inputs, their outcomes as a stream, a bounded number under way.

mod arriving;
mod budget;
mod chunk;
mod lanes;
mod outcomes;
mod preparing;
mod submitting;
mod under_way;
mod window;

use self::arriving::Arriving;
use self::budget::Budget;
use self::chunk::Filling;
use self::lanes::Lanes;
use self::submitting::Offer;
use self::under_way::{Prepared, UnderWay};
use self::window::Window;
use crate::pool::{Pool, PoolEvents};
use futures_core::Stream;
use procpool_protocol::engine::JobLimits;
use procpool_protocol::outcome::Refused;
use procpool_protocol::{Job, JobError};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A stream of outcomes; see [`Pool::map`].
///
/// It implements `futures_core::Stream`; [`next`](Self::next) works without a stream library.
///
/// ```no_run
/// # use procpool_coordinator::Pool;
/// # use procpool_protocol::JobError;
/// # procpool_protocol::job!(Fib, "fib", u64 => u64);
/// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
/// let mut outputs = pool.map(0..1_000_000).unordered();
/// let mut sum = 0;
/// while let Some(output) = outputs.next().await {
///     sum += output?;
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Map<J: Job, I> {
    pool: Pool<J>,
    inputs: std::iter::Fuse<I>,
    limits: JobLimits,
    window: Window,
    /// The rest of the inputs that this poll may prepare.
    budget: Budget,
    /// The events of the pool, while no worker has been ready that says whether it takes batches.
    first_worker: Option<PoolEvents>,
    /// The inputs of the next chunk. It is kept from poll to poll, and where the iterator panics.
    filling: Filling,
    /// Jobs, and refused inputs between them, that are still to be submitted.
    prepared: VecDeque<Result<Prepared, Refused>>,
    /// The inputs of chunks that must be sent again, before other inputs.
    pieces: VecDeque<Prepared>,
    /// A job that waits for a queue slot, while it cannot wait for the end of one under way.
    offer: Option<Offer>,
    under_way: Lanes<UnderWay>,
    /// Number of entries under way that were refused. Nothing else bounds it: they need no queue slot.
    refused: usize,
    /// The outcomes of an ended job, which are being returned.
    arriving: Option<Arriving>,
}

/// Maximum number of inputs of a chunk.
const IN_CHUNK: usize = 16_384;

// Nothing in it is pinned in place: the one future that is not `Unpin` is boxed.
impl<J: Job, I> Unpin for Map<J, I> {}

impl<J: Job, I> std::fmt::Debug for Map<J, I> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Map").field("under_way", &self.under_way.len()).finish_non_exhaustive()
    }
}

impl<J: Job, I: Iterator<Item = J::Input>> Map<J, I> {
    pub(crate) fn new(pool: Pool<J>, inputs: I) -> Self {
        let limits = pool.raw().limits();
        let (window, filling) = (Window::of(limits), Filling::new(limits.max_payload));
        Self {
            pool,
            inputs: inputs.fuse(),
            limits: JobLimits::default(),
            window,
            budget: Budget::WHOLE,
            first_worker: None,
            filling,
            prepared: VecDeque::new(),
            pieces: VecDeque::new(),
            offer: None,
            under_way: Lanes::ordered(),
            refused: 0,
            arriving: None,
        }
    }

    /// Sets the number of jobs under way, at least 1. By default, no worker runs out of jobs: 256, or 64 for
    /// each worker. The number is lower where the jobs would fill more than half of the pool's queue, or
    /// where their payloads would exceed 64 MiB.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) {
    /// // Four jobs at a time, so that the other workers are free for other callers.
    /// let outputs = pool.map(0..1_000_000).ahead(4);
    /// # }
    /// ```
    pub fn ahead(mut self, jobs: usize) -> Self {
        self.window.ahead = Some(jobs.max(1));
        self
    }

    /// Sends up to `inputs` inputs together, at most 16,384, as one job, where they take less than 1 MiB. This is for jobs of
    /// a few microseconds, whose transport costs more than their run. Each input has an outcome of its own.
    /// Default: 1.
    ///
    /// As one job, a chunk has one queue slot, one `run_timeout`, one count in the pool's figures. A worker
    /// that dies costs all inputs of its chunk, unless the job may be repeated and
    /// [`max_attempts`](crate::PoolBuilder::max_attempts) is above 1. In that case each of them is run again,
    /// alone. The chunk counts as one attempt. An input at which the function fails or panics affects no
    /// other. Workers in other languages get each input as a job, and so do the workers of a pool with
    /// [`process_per_job`](crate::PoolBuilder::process_per_job).
    /// [`recycle_jobs`](crate::PoolBuilder::recycle_jobs) counts a chunk as one job. Where no worker of the pool
    /// has ever been ready, one input is sent alone, and the others wait for the first worker.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Parse, "parse", String => u64);
    /// # async fn example(pool: Pool<Parse>, text: String) {
    /// let lines = text.lines().map(str::to_owned);
    /// let mut outcomes = pool.map(lines).chunks(1_000);
    /// while let Some(outcome) = outcomes.next().await {
    ///     match outcome {
    ///         Ok(number) => println!("{number}"),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn chunks(mut self, inputs: usize) -> Self {
        self.window.chunk = inputs.clamp(1, IN_CHUNK);
        self
    }

    /// Returns outcomes as they come, and not in the order of the inputs, so that one long job does not delay
    /// others.
    pub fn unordered(mut self) -> Self {
        self.under_way.unorder();
        self
    }

    /// Bounds the time in queue and the run of each job together, as
    /// [`JobRequest::timeout`](crate::JobRequest::timeout) does. Default: `None`, since nobody waits for one
    /// job of a map.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = Some(timeout);
        self
    }

    /// Bounds the run of each job. Default: the pool's `timeout` or `run_timeout`, whichever is shorter.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.limits.run_timeout = Some(timeout);
        self
    }

    /// Returns the next outcome, in the order of the inputs unless [`unordered`](Self::unordered) was
    /// called, or `None` after the last. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Result<J::Output, JobError>> {
        std::future::poll_fn(|context| self.poll_outcome(context)).await
    }
}

impl<J: Job, I: Iterator<Item = J::Input>> Stream for Map<J, I> {
    type Item = Result<J::Output, JobError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_outcome(context)
    }
}
