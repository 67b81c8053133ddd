//! [`JobEvents`]: progress and chunks of one job, as a stream.

use super::handle::JobEvent;
use crate::pool::core::Core;
use crate::pool::state::events::{Events, Next};
use futures_core::Stream;
use procpool_protocol::{Job, PayloadError, Streaming};
use procpool_scheduler::JobId as Key;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The events of a running job: a stream that ends with the job's outcome.
///
/// [`JobHandle::take_events`](super::handle::JobHandle::take_events) returns it, so that one task
/// reads events while another awaits the outcome. A job whose chunks are not read waits. Dropping
/// the stream discards the chunks, and the job goes on.
///
/// ```no_run
/// # use procpool_coordinator::{JobEvent, Pool};
/// # procpool_protocol::job!(Lines, "lines", String => u64, chunks String);
/// # async fn example(pool: Pool<Lines>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let mut job = pool.submit("access.log".into()).await?;
/// let mut events = job.take_events().expect("taken once");
/// let reader = tokio::spawn(async move {
///     while let Some(event) = events.next().await {
///         match event? {
///             JobEvent::Chunk(line) => println!("{line}"),
///             JobEvent::Progress { done, total, .. } => println!("{done} of {total:?}"),
///             _ => {}
///         }
///     }
///     Ok::<_, procpool_protocol::PayloadError>(())
/// });
/// let lines = job.await?;
/// reader.await??;
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a job's events discards its chunks"]
pub struct JobEvents<J: Job> {
    core: Arc<Core>,
    key: Key,
    events: Arc<Events>,
    types: PhantomData<fn() -> J>,
}

impl<J: Job> std::fmt::Debug for JobEvents<J> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("JobEvents(..)")
    }
}

impl<J: Job> JobEvents<J> {
    pub(crate) fn new(core: Arc<Core>, key: Key, events: Arc<Events>) -> Self {
        Self { core, key, events, types: PhantomData }
    }

    /// Returns the job's next progress, or `None` once it has its outcome. Discards the chunks that come
    /// before that. Safe to drop and call again.
    pub async fn next_progress(&mut self) -> Option<(u64, Option<u64>)> {
        loop {
            match poll_fn(|context| self.poll(context)).await? {
                Next::Progress(progress) => return Some((progress.done, progress.total)),
                Next::Chunk(_, grant) => self.grant(grant),
                Next::Place(_) => {}
            }
        }
    }

    /// Discards the chunks that wait and those that come.
    pub(crate) fn discard(&self) {
        self.grant(self.events.discard());
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Next>> {
        // In a fork nothing ever comes.
        if self.core.is_here() { self.events.poll_next(context) } else { Poll::Ready(None) }
    }

    fn grant(&self, chunks: u32) {
        // A worker that does not read its credit is found out when it sends its next chunk.
        let _ = self.core.grant(self.key, chunks);
    }
}

impl<J: Streaming> JobEvents<J> {
    /// Returns the job's next event, or `None` once it has its outcome and every event was taken.
    /// Safe to drop and call again.
    ///
    /// # Errors
    /// When a chunk does not decode.
    pub async fn next(&mut self) -> Option<Result<JobEvent<J::Chunk>, PayloadError>> {
        poll_fn(|context| self.poll_event(context)).await
    }

    fn poll_event(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<JobEvent<J::Chunk>, PayloadError>>> {
        loop {
            return Poll::Ready(Some(match ready!(self.poll(context)) {
                None => return Poll::Ready(None),
                Some(Next::Place(_)) => continue,
                Some(Next::Progress(progress)) => {
                    Ok(JobEvent::Progress { done: progress.done, total: progress.total })
                }
                Some(Next::Chunk(chunk, grant)) => {
                    self.grant(grant);
                    chunk.decode().map(JobEvent::Chunk)
                }
            }));
        }
    }
}

impl<J: Streaming> Stream for JobEvents<J> {
    type Item = Result<JobEvent<J::Chunk>, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(context)
    }
}

impl<J: Job> Drop for JobEvents<J> {
    fn drop(&mut self) {
        self.discard();
    }
}
