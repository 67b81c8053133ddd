//! The events that the owner of the engine reports about one job.

use std::sync::Arc;

use procpool_protocol::Payload;
use procpool_protocol::message::Progress;
use procpool_protocol::outcome::Finished;

use crate::time::Time;

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
    /// The owner hands the job to its pool, and a worker may have it from now on. For jobs that may not be repeated: it
    /// is durable before a worker can have the job. [`Started`](Self::Started) follows, with the worker.
    #[non_exhaustive]
    Claimed {
        /// The number of the attempt, above all before.
        attempt: u32,
    },
    /// The pool has not taken a [claimed](Self::Claimed) job, and no worker has had it. The attempt does not count.
    Unclaimed,
    /// The attempt has ended without an outcome. The job waits for another one.
    #[non_exhaustive]
    Again {
        /// No worker gets it before.
        due: Option<Time>,
    },
    /// The [due](crate::Record::due) time of the job has come.
    Due,
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

    /// Returns [`Claimed`](Self::Claimed).
    #[must_use]
    pub const fn claimed(attempt: u32) -> Self {
        Self::Claimed { attempt }
    }

    /// Returns [`Again`](Self::Again).
    #[must_use]
    pub const fn again(due: Option<Time>) -> Self {
        Self::Again { due }
    }

    /// Returns [`Finished`](Self::Finished).
    pub fn finished(finished: Finished) -> Self {
        Self::Finished(Arc::new(finished))
    }
}
