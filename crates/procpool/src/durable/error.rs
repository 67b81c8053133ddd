//! The errors of durable jobs.

use crate::error::PayloadError;
use crate::{JobError, JobId, OutcomeKind};

/// The store of jobs cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Two pools have the same name, by which jobs find their pool.
    #[error("two pools are called `{name}`; give each its own name with `PoolBuilder::name`")]
    #[non_exhaustive]
    SameName {
        /// The name.
        name: String,
    },
    /// The directory, or what is in it.
    #[error(transparent)]
    Store(#[from] procpool_store::OpenError),
    /// The jobs of an earlier process could not be decided.
    #[error(transparent)]
    Recovery(#[from] procpool_jobs::OpenError),
}

/// A job was not accepted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// JSON cannot carry the input.
    #[error(transparent)]
    Input(#[from] PayloadError),
    /// The store or the pool refuses it.
    #[error(transparent)]
    Refused(#[from] JobError),
    /// The key belongs to a job with another input.
    #[error("the key is taken by job {job}, which has another input; use another key")]
    #[non_exhaustive]
    KeyTaken {
        /// The job that has the key.
        job: JobId,
    },
}

/// There is no output.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutcomeError {
    /// The job has ended with this error.
    #[error(transparent)]
    Job(#[from] JobError),
    /// There is no such job, or none any longer.
    #[error("there is no job {job}; it may have been forgotten since it ended")]
    #[non_exhaustive]
    Unknown {
        /// The id that was asked for.
        job: JobId,
    },
    /// The job has ended, and its result is no longer kept.
    #[error("the result of job {job}, which ended as {}, is no longer kept", outcome.name())]
    #[non_exhaustive]
    Gone {
        /// The job.
        job: JobId,
        /// How it ended.
        outcome: OutcomeKind,
    },
    /// The store was closed while the job had no outcome. The next process decides it.
    #[error("the store of jobs was closed before job {job} had its outcome")]
    #[non_exhaustive]
    Closed {
        /// The job.
        job: JobId,
    },
}
