//! [`Op`]: an operation of the store's thread, with the channel of its answer.

use super::view::Read;
use crate::bells::Listener;
use crate::durable::options::DurableOptions;
use crate::interface::JobNote;
use procpool_protocol::JobError;
use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;
use procpool_registry::{Cancelled, Cursor, Decision, Event, Filter, ForeignCursor, Offer, Selection, Trial};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The way back to who asked.
pub(super) type Tell<T> = oneshot::Sender<T>;

/// A decision about an order, and the one who waits for the outcome of its job.
pub(super) type Accepted = Result<(Decision, Option<Listener>), JobError>;

/// An operation. It may be applied several times, if its group has not become durable.
pub(super) enum Op {
    /// A client hands a job over.
    Accept(Box<Accept>),
    /// A pool reports something about a job that it has.
    Report(JobId, Event),
    /// A pool has ended a run.
    End(JobId, Arc<Finished>),
    /// A pool has not taken a job.
    NotTaken(JobId, Arc<JobError>),
    /// A client cancels a job.
    Cancel(JobId, Tell<Cancelled>),
    /// A client cancels several.
    CancelMatching(Box<CancelMatching>),
    /// Somebody keeps a note beside the jobs.
    Note(String, Option<Vec<u8>>, Tell<Result<(), JobError>>),
    /// Somebody looks.
    Read(Read),
    /// The pools have changed.
    Pools(Arc<DurableOptions>),
    /// No further job is handed out. The answer comes when no pool has one.
    Drain(Tell<()>),
    /// The thread ends, and closes the storage before it answers.
    Close(Tell<()>),
}

/// A job that a client hands over.
pub(super) struct Accept {
    pub(super) offer: Offer,
    /// The time that the job has from the moment at which it may run.
    pub(super) timeout: Option<Duration>,
    /// The time until it may run.
    pub(super) delay: Option<Duration>,
    /// A note that becomes durable together with the job.
    pub(super) note: Option<JobNote>,
    pub(super) tell: Tell<Accepted>,
}

/// Several jobs to cancel.
pub(super) struct CancelMatching {
    pub(super) filter: Filter,
    pub(super) from: Option<Cursor>,
    pub(super) limit: usize,
    pub(super) trial: Trial,
    pub(super) tell: Tell<Result<Selection, ForeignCursor>>,
}

/// The answer to an operation, until its group is durable.
pub(super) enum Answer {
    None,
    Accepted(Accepted),
    Cancelled(Cancelled),
    Selected(Result<Selection, ForeignCursor>),
}

impl Op {
    /// Returns the number of bytes that count against the bound of the queue.
    pub(super) fn bytes(&self) -> usize {
        const OP: usize = 1024;
        OP + match self {
            Self::Accept(accept) => accept.offer.input.as_deref().map_or(0, input_bytes),
            Self::Report(_, Event::Chunk(chunk)) => chunk.bytes.len(),
            Self::End(_, finished) => finished.result.as_ref().map_or(0, |output| output.bytes.len()),
            _ => 0,
        }
    }

    /// Returns whether the operation brings something new, for which there may be no space.
    pub(super) fn needs_space(&self) -> bool {
        matches!(self, Self::Accept(_) | Self::Note(..))
    }

    /// Returns whether the operation only reports how far a job has come.
    pub(super) fn is_report(&self) -> bool {
        matches!(self, Self::Report(..))
    }

    /// Tells who asked that nothing came of it.
    pub(super) fn refuse(self, error: impl FnOnce(&str) -> JobError) {
        match self {
            Self::Accept(accept) => drop(accept.tell.send(Err(error(&accept.offer.pool)))),
            Self::Note(name, _, tell) => drop(tell.send(Err(error(&name)))),
            // Their channels close.
            _ => {}
        }
    }
}

fn input_bytes(input: &Submission) -> usize {
    input.input.bytes.len()
}

impl fmt::Debug for Op {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Op(..)")
    }
}
