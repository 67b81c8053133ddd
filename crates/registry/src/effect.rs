//! The effects that the owner of a registry carries out, outside its lock.

use std::sync::Arc;

use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobId, Payload};

use crate::history::Entry;

/// An order of the registry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// The job's record or its events have changed. Wake everyone who waits for either.
    Changed(JobId),
    /// The job's record is gone. Wake everyone who waits for it, for the last time.
    Gone(JobId, Gone),
    /// A client has cancelled the job. Tell the engine, which decides the outcome.
    Cancel(JobId),
    /// The registry no longer holds this. Drop it where that may take time.
    Drop(Dropped),
}

/// Why a record is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gone {
    /// The pool has refused the job.
    Refused,
    /// The record has reached its age.
    Expired,
    /// A newer job needed its room.
    Evicted,
}

/// A value that the registry no longer holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Dropped {
    /// An input.
    Input(Arc<Submission>),
    /// A chunk that came too late.
    Chunk(Payload),
    /// A result.
    Result(Arc<Finished>),
    /// Events of a job.
    Events(Vec<Arc<Entry>>),
}
