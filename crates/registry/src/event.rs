//! The events that the owner of the engine reports about one job.

use std::sync::Arc;

use procpool_protocol::Payload;
use procpool_protocol::message::Progress;
use procpool_protocol::outcome::Finished;

/// Something that happened to a job.
///
/// Any event may come at any time. An event that does not fit the job's state changes nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The pool has accepted the job. May come after [`Started`](Self::Started), from another
    /// thread, and then changes nothing.
    Queued,
    /// The job is back in the queue of its pool: its worker did not begin it, or another attempt
    /// follows.
    Returned,
    /// The pool has refused the job. The record is dropped, and its key is free.
    Refused,
    /// A worker has the job.
    #[non_exhaustive]
    Started {
        /// The number of the attempt, from 1. An attempt that the worker did not begin is repeated
        /// under the same number.
        attempt: u32,
        /// The worker's name. A record holds its first 64 bytes.
        worker: Arc<str>,
    },
    /// The job reports its progress.
    Progress(Progress),
    /// The job emits a chunk of its output.
    Chunk(Payload),
    /// A client cancels the job. [`Registry::cancel`](crate::Registry::cancel) also says how that
    /// ends.
    Cancel,
    /// The job has its one outcome.
    Finished(Arc<Finished>),
}

impl Event {
    /// Returns [`Started`](Self::Started).
    pub fn started(attempt: u32, worker: impl Into<Arc<str>>) -> Self {
        Self::Started { attempt, worker: worker.into() }
    }

    /// Returns [`Finished`](Self::Finished).
    pub fn finished(finished: Finished) -> Self {
        Self::Finished(Arc::new(finished))
    }
}
