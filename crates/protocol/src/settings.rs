//! The orders of operators: the settings of a pool that may change while it runs, and what may be done with a
//! worker.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The settings of a pool that may change while it runs. Their names are the keys of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSettings {
    /// Minimum number of workers that the pool keeps.
    pub min_workers: usize,
    /// Maximum number of workers that the pool starts. Surplus workers exit as they become idle.
    pub max_workers: usize,
    /// Maximum number of jobs that may wait. Jobs that wait already stay.
    pub queue: usize,
    /// Maximum size of all inputs that wait together, in bytes. Jobs that wait already stay.
    pub queue_bytes: usize,
    /// Number of workers that are kept idle and ready beside those that are busy.
    pub spares: usize,
    /// Time after which a worker that no job has needed exits. `None` disables it.
    pub idle_timeout: Option<Duration>,
    /// Bounds the time in queue and the run of a job together. It counts for jobs that come, as do the next
    /// two. `None`: no bound.
    pub timeout: Option<Duration>,
    /// Bounds the run of a job alone. `None`: no bound.
    pub run_timeout: Option<Duration>,
    /// Maximum timeout that a job may ask for. `None`: the default. [`Duration::MAX`]: no maximum.
    pub max_timeout: Option<Duration>,
    /// Time from asking a job to stop to killing its worker.
    pub grace: Duration,
    /// Time from asking an idle worker to exit to killing it.
    pub stop_timeout: Duration,
    /// Whether jobs are refused that would not end before their deadlines.
    pub admission: bool,
}

impl PoolSettings {
    /// Returns these settings with each one replaced that is another in `to` than in `from`.
    #[must_use]
    pub fn rebased(mut self, from: &Self, to: &Self) -> Self {
        macro_rules! each {
            ($($field:ident),*) => {$(
                if from.$field != to.$field {
                    self.$field = to.$field;
                }
            )*};
        }
        each!(min_workers, max_workers, queue, queue_bytes, spares, idle_timeout);
        each!(timeout, run_timeout, max_timeout, grace, stop_timeout, admission);
        self
    }
}

/// The settings of a pool cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReconfigureError {
    /// The settings are no longer those from which the change was made.
    #[error(
        "failed to change the settings of pool `{pool}`: somebody else has changed them meanwhile; read them again"
    )]
    #[non_exhaustive]
    Changed {
        /// The pool.
        pool: String,
    },
    /// The new settings contradict each other, or cannot change in this pool.
    #[error("failed to change the settings of pool `{pool}`: {reason}")]
    #[non_exhaustive]
    Invalid {
        /// The pool.
        pool: String,
        /// The contradiction, and the way out.
        reason: String,
    },
}

impl ReconfigureError {
    /// Returns the error of settings that have changed meanwhile.
    pub fn changed(pool: impl Into<String>) -> Self {
        Self::Changed { pool: pool.into() }
    }

    /// Returns the error of settings that cannot be used.
    pub fn invalid(pool: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self::Invalid { pool: pool.into(), reason: reason.to_string() }
    }
}

/// How an operator sends a worker away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerOrder {
    /// The worker gets no further job, and exits after those that it holds. Its replacement starts at once.
    Retire,
    /// The worker is killed now. Its job crashes, or runs again where it may.
    Kill,
}

impl WorkerOrder {
    /// Returns its name in requests: `retire` or `kill`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retire => "retire",
            Self::Kill => "kill",
        }
    }
}

/// A text names no order for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`retire` or `kill` is needed")]
pub struct UnknownOrder;

impl FromStr for WorkerOrder {
    type Err = UnknownOrder;

    fn from_str(text: &str) -> Result<Self, UnknownOrder> {
        [Self::Retire, Self::Kill].into_iter().find(|order| order.name() == text).ok_or(UnknownOrder)
    }
}
