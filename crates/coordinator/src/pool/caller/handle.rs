//! [`JobHandle`]: a submitted job, its events and its outcome.

use super::pending::Pending;
use crate::pool::state::events::{Events, Next};
use procpool_protocol::outcome::Finished;
use procpool_protocol::{Job, JobError, JobId, PayloadError, Streaming};
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A job that was submitted. Await it for its outcome; drop it to cancel the job.
///
/// Chunks that a [`Streaming`] job emits wait here, and the job with them, until
/// [`next_event`](Self::next_event) takes them. Awaiting the handle itself drops them.
#[must_use = "dropping a handle cancels its job; see `detach`"]
pub struct JobHandle<J: Job> {
    job: Result<Pending, JobError>,
    events: Arc<Events>,
    types: PhantomData<fn() -> J>,
}

/// What a running job lets its caller know.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobEvent<C> {
    /// How far the job is. Only the latest is kept.
    Progress {
        /// Units that are done.
        done: u64,
        /// Units that there are, where known.
        total: Option<u64>,
    },
    /// A piece of output. None is lost, and they come in order.
    Chunk(C),
}

impl<J: Job> std::fmt::Debug for JobHandle<J> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("JobHandle").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl<J: Job> JobHandle<J> {
    pub(crate) fn new(job: Result<Pending, JobError>, events: Arc<Events>) -> Self {
        if job.is_err() {
            events.end();
        }
        Self { job, events, types: PhantomData }
    }

    /// The job's id; none if it was refused.
    pub fn id(&self) -> Option<JobId> {
        self.job.as_ref().ok().and_then(Pending::id)
    }

    /// Cancels the job; its outcome is still to be awaited. `true` if it had none yet.
    pub fn cancel(&self) -> bool {
        self.job.as_ref().is_ok_and(Pending::cancel)
    }

    /// Lets the job go on though nobody waits for its outcome.
    pub fn detach(self) {
        if let Ok(job) = self.job {
            job.grant(self.events.discard());
            job.detach();
        }
    }

    /// How far the job is, once it says something new; none once it has its outcome. Safe to drop and
    /// call again. Chunks are dropped.
    pub async fn next_progress(&mut self) -> Option<(u64, Option<u64>)> {
        loop {
            match self.next().await? {
                Next::Progress(progress) => return Some((progress.done, progress.total)),
                Next::Chunk(_, grant) => self.grant(grant),
            }
        }
    }

    async fn next(&mut self) -> Option<Next> {
        // In a fork nothing ever comes.
        let comes = self.job.as_ref().map_or(true, Pending::is_here);
        if comes { self.events.next().await } else { None }
    }

    fn grant(&self, chunks: u32) {
        if let Ok(job) = &self.job {
            job.grant(chunks);
        }
    }
}

impl<J: Streaming> JobHandle<J> {
    /// The job's next event, or none once it has its outcome and every event was taken. Safe to drop
    /// and call again.
    ///
    /// # Errors
    /// When a chunk does not decode.
    pub async fn next_event(&mut self) -> Option<Result<JobEvent<J::Chunk>, PayloadError>> {
        match self.next().await? {
            Next::Progress(progress) => {
                Some(Ok(JobEvent::Progress { done: progress.done, total: progress.total }))
            }
            Next::Chunk(chunk, grant) => {
                self.grant(grant);
                Some(chunk.decode().map(JobEvent::Chunk))
            }
        }
    }
}

impl<J: Job> IntoFuture for JobHandle<J> {
    type Output = Result<J::Output, JobError>;
    type IntoFuture = JobFuture<J>;

    fn into_future(self) -> JobFuture<J> {
        self.grant(self.events.discard());
        JobFuture(Box::pin(async { decode::<J>(self.job?.outcome().await) }))
    }
}

type Outcome<J> = Result<<J as Job>::Output, JobError>;

/// A job's outcome in the making. Dropping it cancels the job.
#[must_use = "futures do nothing unless awaited"]
pub struct JobFuture<J: Job>(Pin<Box<dyn Future<Output = Outcome<J>> + Send>>);

impl<J: Job> std::fmt::Debug for JobFuture<J> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("JobFuture(..)")
    }
}

impl<J: Job> Future for JobFuture<J> {
    type Output = Outcome<J>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

/// The typed outcome. An output that does not decode leaves the job's own outcome as it is.
pub(crate) fn decode<J: Job>(finished: Finished) -> Outcome<J> {
    match finished.result {
        Ok(output) => output.decode().map_err(JobError::Output),
        Err(error) => Err(*error),
    }
}
