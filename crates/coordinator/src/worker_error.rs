//! The errors of a [`Worker`](crate::Worker): of its start, or of a message.

use crate::invalid::InvalidLimits;
use procpool_process::{ExecutableError, StartError};
use procpool_protocol::{ExitReport, Failure, PayloadError};

/// A message could not be sent or received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The worker is gone.
    #[error("the worker is gone: {0}")]
    Exited(Box<ExitReport>),
    /// The worker is gone. Its next event tells how it ended.
    #[error("the worker is gone; its exit event says how")]
    Gone,
    /// This process is a fork of the one that spawned the worker.
    #[error("the worker belongs to the process that this one was forked from; spawn one of its own here")]
    Forked,
    /// The worker's handler failed.
    #[error("the worker reports: {0}")]
    Failed(Failure),
    /// The message does not encode or decode.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The message is larger than the worker accepts.
    #[error("a message of {size} bytes exceeds the limit of {limit}; see `max_payload`")]
    #[non_exhaustive]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: u32,
    },
}

/// A worker cannot be spawned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// Its executable cannot be used.
    #[error(transparent)]
    Executable(#[from] ExecutableError),
    /// Its limits contradict each other.
    #[error("failed to spawn a worker: {0}")]
    Limits(InvalidLimits),
    /// It did not get ready.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its worker data does not encode.
    #[error("failed to pass worker data: {0}")]
    WorkerData(PayloadError),
    /// Its worker data is larger than a message may be.
    #[error("failed to pass worker data of {size} bytes: max_payload is {limit}")]
    #[non_exhaustive]
    LargeWorkerData {
        /// Its size, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: u32,
    },
}

impl From<InvalidLimits> for SpawnError {
    fn from(error: InvalidLimits) -> Self {
        Self::Limits(error)
    }
}

impl From<PayloadError> for SpawnError {
    fn from(error: PayloadError) -> Self {
        Self::WorkerData(error)
    }
}
