//! [`Map`]: many inputs, their outcomes as a stream, a bounded number under way.

mod lanes;
mod window;

use self::lanes::Lanes;
use self::window::Window;
use super::handle;
use super::offering::Submitted;
use super::pending::Pending;
use crate::pool::Pool;
use crate::pool::state::open_job::{NewJob, Rejected};
use futures_core::Stream;
use procpool_protocol::engine::JobLimits;
use procpool_protocol::outcome::{Finished, Refused};
use procpool_protocol::{Job, JobError};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A stream of outcomes; see [`Pool::map`].
///
/// It implements `futures_core::Stream`; [`next`](Self::next) serves where no stream library is at
/// hand.
///
/// ```no_run
/// # use procpool_coordinator::Pool;
/// # use procpool_protocol::{Job, JobError};
/// # struct Fib;
/// # impl Job for Fib { const NAME: &'static str = "fib"; type Input = u64; type Output = u64; }
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
    under_way: Lanes<UnderWay>,
    /// A job that waits for a queue slot.
    offer: Option<Offer>,
}

type Offer = Pin<Box<dyn Future<Output = Result<Submitted, Box<Rejected>>> + Send>>;

/// A job that was submitted, or refused and waiting for its turn.
#[derive(Debug)]
enum UnderWay {
    Accepted(Pending),
    Refused(Option<Refused>),
}

impl Future for UnderWay {
    type Output = Result<Finished, Refused>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Accepted(job) => Pin::new(job).poll(context).map(Ok),
            Self::Refused(refused) => {
                Poll::Ready(Err(refused.take().unwrap_or_else(|| unreachable!("polled after its end"))))
            }
        }
    }
}

// Nothing in it is pinned in place: the one future that is not `Unpin` is boxed.
impl<J: Job, I> Unpin for Map<J, I> {}

impl<J: Job, I> std::fmt::Debug for Map<J, I> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Map").field("under_way", &self.under_way.len()).finish_non_exhaustive()
    }
}

impl<J: Job, I: Iterator<Item = J::Input>> Map<J, I> {
    pub(crate) fn new(pool: Pool<J>, inputs: I) -> Self {
        let window = Window::of(pool.raw().limits());
        let under_way = Lanes::Ordered(Default::default());
        let limits = JobLimits::default();
        Self { pool, inputs: inputs.fuse(), limits, window, under_way, offer: None }
    }

    /// Sets the number of jobs under way, at least 1. Default: so many that no worker runs dry, 256 or
    /// 64 for each worker, and fewer where they would fill more than half of the pool's queue, or where
    /// their payloads would exceed 64 MiB.
    pub fn ahead(mut self, jobs: usize) -> Self {
        self.window.ahead = Some(jobs.max(1));
        self
    }

    /// Returns outcomes as they come, and not in the order of the inputs: one long job holds up no
    /// others.
    pub fn unordered(mut self) -> Self {
        self.under_way.unorder();
        self
    }

    /// Bounds queue and run of each job together, as
    /// [`JobRequest::timeout`](crate::JobRequest::timeout) does. Default: none, since nobody waits for
    /// one job of a map.
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

    fn poll_outcome(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<J::Output, JobError>>> {
        self.fill(context);
        match ready!(self.under_way.poll_next(context)) {
            Some(Ok(finished)) => {
                self.window.take(finished.result.as_ref().map_or(0, |output| output.bytes.len()));
                Poll::Ready(Some(handle::decode::<J>(finished)))
            }
            Some(Err(refused)) => Poll::Ready(Some(Err(refused.into()))),
            None if self.offer.is_some() => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    /// Submits jobs until as many are under way as may be, or the queue is full.
    fn fill(&mut self, context: &mut Context<'_>) {
        while self.under_way.len() < self.window.jobs() {
            let accepted = match &mut self.offer {
                Some(offer) => {
                    let Poll::Ready(end) = offer.as_mut().poll(context) else { return };
                    self.offer = None;
                    Some(end)
                }
                None => match self.inputs.next().map(|input| self.encode(&input)) {
                    Some(Ok(job)) => self.submit(job),
                    Some(Err(refused)) => {
                        self.under_way.push(UnderWay::Refused(Some(refused)));
                        None
                    }
                    None => return,
                },
            };
            let core = self.pool.raw().core();
            match accepted {
                Some(Ok(job)) => {
                    self.under_way.push(UnderWay::Accepted(Pending::new(core.clone(), job)));
                }
                Some(Err(rejected)) => {
                    self.under_way.push(UnderWay::Refused(Some(core.refused(rejected.reason))));
                }
                None => {}
            }
        }
    }

    fn encode(&mut self, input: &J::Input) -> Result<NewJob, Refused> {
        let pool = self.pool.raw();
        let job = pool.encoded::<J>(input, JobLimits::default(), None, None)?;
        self.window.give(job.input.bytes.len());
        Ok(NewJob { limits: pool.limits().of_batched_job(self.limits), ..job })
    }

    /// Submits a job, or sets it aside until the queue has room.
    fn submit(&mut self, job: NewJob) -> Option<Result<Submitted, Box<Rejected>>> {
        let core = self.pool.raw().core();
        match core.offer(job) {
            Err(rejected) if rejected.reason.is_full_queue() => {
                let core = core.clone();
                self.offer = Some(Box::pin(async move { core.submit_patiently(rejected.job).await }));
                None
            }
            end => Some(end.inspect_err(|rejected| core.count_refusal(&rejected.reason))),
        }
    }
}

impl<J: Job, I: Iterator<Item = J::Input>> Stream for Map<J, I> {
    type Item = Result<J::Output, JobError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_outcome(context)
    }
}
