//! Why there is no snapshot of a worker, and what to do about it.

use std::io;

/// A worker's threads could not be seen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The worker has ended, or is not started yet.
    #[error("the worker has no process now")]
    Gone,
    /// The system forbids it.
    #[error("process {pid} may not be traced: {reason}")]
    #[non_exhaustive]
    Forbidden {
        /// The worker's process.
        pid: u32,
        /// Which rule forbids it, and the way out.
        reason: String,
    },
    /// The worker's thread did not stop in time.
    #[error(
        "process {pid} did not stop in time: it is in the middle of a system call that nothing interrupts, \
         or the machine is overloaded"
    )]
    #[non_exhaustive]
    Slow {
        /// The worker's process.
        pid: u32,
    },
    /// The worker's threads were copied, but not what it has mapped in time.
    #[error(
        "what process {pid} has mapped could not be read in time: it changes that without a pause, or the machine is \
         overloaded"
    )]
    #[non_exhaustive]
    Unread {
        /// The worker's process.
        pid: u32,
    },
    /// The maximum number of snapshots is being taken, or another one of this worker.
    #[error("too many stacks are being taken at this moment")]
    Busy,
    /// The system has failed otherwise.
    #[error("process {pid} could not be traced: {error}")]
    #[non_exhaustive]
    System {
        /// The worker's process.
        pid: u32,
        /// The error of the system.
        error: io::Error,
    },
}

impl SnapshotError {
    /// Returns whether the worker has no process now.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }
}
