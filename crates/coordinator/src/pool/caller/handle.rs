//! [`JobHandle`]: an accepted job, its events and its outcome.

use super::canceller::Canceller;
use super::job_events::JobEvents;
use super::offering::Submitted;
use super::pending::Pending;
use super::reported::Reported;
use crate::pool::core::Core;
use crate::pool::state::events::Events;
use procpool_protocol::outcome::{self, Finished};
use procpool_protocol::{Job, JobError, JobId, PayloadError, Streaming};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A job that its pool has accepted: a future of the job's outcome. Dropping it cancels the job.
///
/// It can be polled by reference, collected, and spawned like any other future. Chunks that a [`Streaming`]
/// job emits wait here until they are taken, and the job waits with them. [`take_events`](Self::take_events)
/// returns them as a stream. A handle that is awaited while it still has its events discards their chunks.
///
/// ```no_run
/// # use procpool_coordinator::Pool;
/// # use procpool_protocol::JobError;
/// # use std::time::Duration;
/// # procpool_protocol::job!(Fib, "fib", u64 => u64);
/// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
/// let mut job = pool.submit(40).await?;
/// tokio::select! {
///     f = &mut job => println!("{}", f?),
///     () = tokio::time::sleep(Duration::from_secs(1)) => {
///         job.cancel();
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// When it is polled again after it has returned the outcome.
#[must_use = "dropping a handle cancels its job; see `detach`"]
pub struct JobHandle<J: Job> {
    id: JobId,
    job: Pending,
    /// `None` once they were taken.
    events: Option<JobEvents<J>>,
    is_awaited: bool,
}

/// An event that a running job sends to its caller.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobEvent<C> {
    /// The job's progress. Only the latest is kept.
    #[non_exhaustive]
    Progress {
        /// Units that are finished.
        done: u64,
        /// Units in all, where known.
        total: Option<u64>,
    },
    /// A piece of output. None is lost, and they come in order.
    Chunk(C),
}

impl<J: Job> std::fmt::Debug for JobHandle<J> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("JobHandle").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<J: Job> JobHandle<J> {
    pub(crate) fn new(core: &Arc<Core>, job: Submitted, events: Arc<Events>) -> Self {
        let (id, key) = (job.id, job.key);
        let events = Some(JobEvents::new(core.clone(), key, events));
        Self { id, job: Pending::new(core.clone(), job), events, is_awaited: false }
    }

    /// Returns the job's id.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Cancels the job. Its outcome can still be awaited. Returns `true` if it had none yet.
    pub fn cancel(&self) -> bool {
        self.job.cancel()
    }

    /// Returns a [`Canceller`], which can cancel the job while this handle is awaited.
    pub fn canceller(&self) -> Canceller {
        Canceller::new(self.job.core().clone(), self.id)
    }

    /// Lets the job go on without a caller that waits for its outcome.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use procpool_protocol::JobError;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
    /// let job = pool.submit(40).await?;
    /// println!("accepted as {}", job.id());
    /// job.detach();
    /// # Ok(())
    /// # }
    /// ```
    pub fn detach(self) {
        self.job.detach();
    }

    /// Awaits the outcome, and returns it with a report of the job's resources. The report has more than the
    /// job's times only if [`JobRequest::report_usage`](crate::JobRequest::report_usage) asked for it.
    /// Dropping the future cancels the job.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use procpool_protocol::JobError;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
    /// let job = pool.job(40).report_usage().submit().await?;
    /// let reported = job.reported().await;
    /// println!("{:?} on a processor, {:?} bytes", reported.report.cpu_time, reported.report.peak_memory);
    /// let f = reported.outcome?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reported(mut self) -> Reported<J::Output> {
        Reported::of::<J>(poll_fn(|context| self.poll_end(context)).await)
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Finished> {
        if !std::mem::replace(&mut self.is_awaited, true)
            && let Some(events) = &self.events
        {
            events.discard();
        }
        Pin::new(&mut self.job).poll(context)
    }

    /// Takes the job's events out of the handle, to be read while the handle is awaited. Returns
    /// `None` where they were taken before.
    pub fn take_events(&mut self) -> Option<JobEvents<J>> {
        self.events.take()
    }

    /// Returns the job's next progress, or `None` once it has its outcome or its events were taken. Discards
    /// the chunks that come before that. Safe to drop and call again.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use procpool_protocol::JobError;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
    /// let mut job = pool.submit(40).await?;
    /// while let Some((done, total)) = job.next_progress().await {
    ///     println!("{done} of {total:?}");
    /// }
    /// let f = job.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_progress(&mut self) -> Option<(u64, Option<u64>)> {
        self.events.as_mut()?.next_progress().await
    }
}

impl<J: Streaming> JobHandle<J> {
    /// Returns the job's next event, or `None` once the job has its outcome and every event was
    /// taken. Safe to drop and call again.
    ///
    /// ```no_run
    /// # use procpool_coordinator::{JobEvent, Pool};
    /// # procpool_protocol::job!(Lines, "lines", String => u64, chunks String);
    /// # async fn example(pool: Pool<Lines>) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut job = pool.submit("access.log".into()).await?;
    /// while let Some(event) = job.next_event().await {
    ///     if let JobEvent::Chunk(line) = event? {
    ///         println!("{line}");
    ///     }
    /// }
    /// println!("{} lines", job.await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a chunk does not decode.
    pub async fn next_event(&mut self) -> Option<Result<JobEvent<J::Chunk>, PayloadError>> {
        self.events.as_mut()?.next().await
    }
}

type Outcome<J> = Result<<J as Job>::Output, JobError>;

impl<J: Job> Future for JobHandle<J> {
    type Output = Outcome<J>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_end(context).map(decode::<J>)
    }
}

/// Decodes the outcome. An output that does not decode leaves the job's own outcome as it is.
pub(crate) fn decode<J: Job>(finished: Finished) -> Outcome<J> {
    decoded::<J>(finished.result)
}

pub(super) fn decoded<J: Job>(result: outcome::Outcome) -> Outcome<J> {
    match result {
        Ok(output) => output.decode().map_err(JobError::Output),
        Err(error) => Err(*error),
    }
}
