//! A job that is watched on its way: [`Watched`], and the [`JobEvent`]s before its outcome.

use crate::engine::Accepted;
use crate::message::Progress;
use crate::payload::Payload;
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Something that happens to a job before its outcome.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum JobEvent {
    /// A worker has the job.
    #[non_exhaustive]
    Started {
        /// The number of the attempt, from 1. An attempt that its worker did not begin is repeated under the
        /// same number.
        attempt: u32,
        /// The worker's name.
        worker: Arc<str>,
    },
    /// The job is back in the queue: its worker did not begin it, or another attempt follows.
    Returned,
    /// The job reports its progress. Only the latest is kept for a slow reader.
    Progress(Progress),
    /// A piece of output. None is lost, and they come in order.
    Chunk(Payload),
}

impl JobEvent {
    /// Returns [`Started`](Self::Started).
    pub fn started(attempt: u32, worker: impl Into<Arc<str>>) -> Self {
        Self::Started { attempt, worker: worker.into() }
    }
}

/// A watched job that a pool has accepted.
#[derive(Debug)]
#[non_exhaustive]
pub struct Watched {
    /// The job. Its outcome does not wait for its events.
    pub accepted: Accepted,
    /// Its events.
    pub events: JobEvents,
}

impl Watched {
    /// Returns a job with its events.
    pub fn new(accepted: Accepted, events: JobEvents) -> Self {
        Self { accepted, events }
    }
}

type Source = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<JobEvent>> + Send>;

/// The events of one job: a stream that ends with the job's outcome.
///
/// A job whose chunks are not read waits. Dropping the stream discards the chunks, and the job continues.
pub struct JobEvents(Option<Source>);

impl JobEvents {
    /// Returns the events of this source, which returns `None` after the last event.
    pub fn new(poll: impl FnMut(&mut Context<'_>) -> Poll<Option<JobEvent>> + Send + 'static) -> Self {
        Self(Some(Box::new(poll)))
    }

    /// Returns the events of a job that reports none.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Returns the next event, or `None` once the job has its outcome and every event was taken. Safe to drop
    /// and call again.
    pub async fn next(&mut self) -> Option<JobEvent> {
        poll_fn(|context| self.poll_event(context)).await
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<JobEvent>> {
        let next = self.0.as_mut().map_or(Poll::Ready(None), |poll| poll(context));
        if let Poll::Ready(None) = next {
            self.0 = None;
        }
        next
    }
}

impl Stream for JobEvents {
    type Item = JobEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<JobEvent>> {
        self.poll_event(context)
    }
}

impl fmt::Debug for JobEvents {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JobEvents(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn events_end_once_and_stay_ended() {
        let mut left = vec![JobEvent::Returned];
        let mut events = JobEvents::new(move |_| Poll::Ready(left.pop()));
        let mut context = Context::from_waker(Waker::noop());
        let polled = [(); 3].map(|()| events.poll_event(&mut context));
        assert_eq!(polled, [Poll::Ready(Some(JobEvent::Returned)), Poll::Ready(None), Poll::Ready(None)]);
        assert_eq!(JobEvents::none().poll_event(&mut context), Poll::Ready(None));
    }
}
