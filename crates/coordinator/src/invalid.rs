//! [`InvalidLimits`]: limits of a pool that contradict each other or themselves.

use procpool_process::InvalidWorkerLimits;
use procpool_protocol::recording::MAX_HISTORY;

/// Maximum number of workers of one pool. Each costs the coordinator five descriptors (two sockets, two pipes
/// and a pidfd); a larger number is a typing error on any machine of today.
pub(crate) const MAX_WORKERS: usize = 4096;

/// Limits that contradict each other or themselves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimits {
    /// The minimum number of workers exceeds the maximum, or the maximum is zero.
    #[error(
        "min_workers is {min} and max_workers is {max}; it must be 1 <= max_workers and min_workers <= max_workers"
    )]
    #[non_exhaustive]
    Workers {
        /// `min_workers`.
        min: usize,
        /// `max_workers`.
        max: usize,
    },
    /// More workers than any machine can run.
    #[error("max_workers is {max}; {MAX_WORKERS} is the limit")]
    #[non_exhaustive]
    TooManyWorkers {
        /// `max_workers`.
        max: usize,
    },
    /// Another number of workers, in a pool to which its workers attach.
    #[error(
        "the workers of the pool attach to it, and it has as many places as it was started with; start it with another \
         max_workers"
    )]
    Attached,
    /// Workers that are forked, in a pool to which its workers attach.
    #[error("the workers of the pool attach to it, and it starts none that it could fork: leave out `fork`")]
    ForkOfAttached,
    /// A duration that must be longer than zero.
    #[error("{key} is zero; leave it out, or set a duration such as \"30s\"")]
    #[non_exhaustive]
    Zero {
        /// The key.
        key: &'static str,
    },
    /// A pool that accepts no payload.
    #[error("max_payload is zero; set a number of bytes")]
    NoPayload,
    /// A queue in which no input may wait beside another.
    #[error("queue_bytes is zero; set a number of bytes, or queue = 0 for no queue")]
    NoQueueBytes,
    /// Failed jobs must be saved, but the number of kept files is 0.
    #[error("saved_jobs is zero; to save no failed jobs, leave save_failed_jobs out")]
    NoSavedJobs,
    /// More jobs in a file than the limit.
    #[error("save_history is {jobs}; {MAX_HISTORY} is the limit")]
    #[non_exhaustive]
    History {
        /// `save_history`.
        jobs: usize,
    },
    /// Other jobs must be kept beside failed ones, but failed jobs are not saved.
    #[error(
        "save_history keeps jobs in the files of failed ones; set save_failed_jobs, too, or leave it out"
    )]
    HistoryAlone,
    /// Retries of jobs that may not be repeated.
    #[error(
        "max_attempts is {attempts}, but the jobs are not declared idempotent; set idempotent = true, or max_attempts = 1"
    )]
    #[non_exhaustive]
    Attempts {
        /// `max_attempts`.
        attempts: u32,
    },
    /// A value with which a worker could not run.
    #[error("{key} is zero, which no worker can live with; leave it out for no limit")]
    #[non_exhaustive]
    NoRoom {
        /// The key.
        key: &'static str,
    },
    /// Limits with which no worker process could run.
    #[error(transparent)]
    Worker(#[from] InvalidWorkerLimits),
}
