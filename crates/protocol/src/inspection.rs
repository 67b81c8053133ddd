//! Looks into living workers: the results and the errors of [`Admin::stack`](crate::engine::Admin::stack) and
//! [`Admin::profile`](crate::engine::Admin::profile).

use crate::stack::StackFrame;
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// Maximum duration of a profile.
pub const LONGEST_PROFILE: Duration = Duration::from_secs(60);

/// Number of samples of a profile in a second. No multiple of ten: what a worker does every 10 ms would be seen
/// always, or never.
pub const SAMPLE_RATE: u32 = 99;

/// Options of a look at a worker's stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StackOptions {
    /// Whether all threads are shown, instead of the first one alone, which runs the jobs. Default: false.
    pub all_threads: bool,
}

impl StackOptions {
    /// Returns the options of a look at the first thread.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether all threads are shown.
    #[must_use]
    pub fn all_threads(mut self, all_threads: bool) -> Self {
        self.all_threads = all_threads;
        self
    }
}

/// The calls of a worker's first thread over some seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The worker.
    pub worker: String,
    /// Its process id.
    pub pid: u32,
    /// The time of the first sample.
    pub began: SystemTime,
    /// The time between two samples.
    pub interval: Duration,
    /// The calls, each once.
    pub frames: Vec<StackFrame>,
    /// The samples, in the order of their times.
    pub samples: Vec<Sample>,
    /// Number of samples that could not be taken.
    pub missed: u32,
    /// Why something is missing: samples, names, or lines. `None` if nothing is.
    pub note: Option<String>,
}

impl Profile {
    /// Returns a profile without samples.
    pub fn new(worker: impl Into<String>, pid: u32, began: SystemTime) -> Self {
        Self {
            worker: worker.into(),
            pid,
            began,
            interval: Duration::from_secs(1) / SAMPLE_RATE,
            frames: Vec::new(),
            samples: Vec::new(),
            missed: 0,
            note: None,
        }
    }
}

/// The calls of a thread at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// The time since the profile began.
    pub at: Duration,
    /// The calls as indices into [`Profile::frames`], the innermost one first.
    pub calls: Vec<u32>,
}

impl Sample {
    /// Returns a sample of these calls, the innermost one first.
    pub fn new(at: Duration, calls: Vec<u32>) -> Self {
        Self { at, calls }
    }
}

/// A worker cannot be looked into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[non_exhaustive]
pub enum InspectionError {
    /// There is no such worker.
    #[error("there is no worker `{worker}`")]
    #[non_exhaustive]
    Unknown {
        /// The name.
        worker: String,
    },
    /// The worker has ended.
    #[error("worker `{worker}` has ended")]
    #[non_exhaustive]
    Gone {
        /// The worker.
        worker: String,
    },
    /// A profile of the worker is being taken.
    #[error("a profile of worker `{worker}` is being taken; wait until it is done")]
    #[non_exhaustive]
    Profiled {
        /// The worker.
        worker: String,
    },
    /// The system forbids it. That does not change by itself.
    #[error("failed to look into worker `{worker}`: {reason}")]
    #[non_exhaustive]
    Forbidden {
        /// The worker.
        worker: String,
        /// Which rule forbids it, such as Yama or a seccomp filter, and the way out.
        reason: String,
    },
    /// Too many looks are taken at this moment, or another one at this worker. Try again in a moment.
    #[error("failed to look into worker `{worker}`: too many stacks are being taken at this moment")]
    #[non_exhaustive]
    Busy {
        /// The worker.
        worker: String,
    },
    /// It has failed otherwise, for example because the worker did not stop in time.
    #[error("failed to look into worker `{worker}`: {reason}")]
    #[non_exhaustive]
    Failed {
        /// The worker.
        worker: String,
        /// Why, and the way out.
        reason: String,
    },
}

impl InspectionError {
    /// Returns the error for a name that no worker has.
    pub fn unknown(worker: impl Into<String>) -> Self {
        Self::Unknown { worker: worker.into() }
    }

    /// Returns the error for a worker that has ended.
    pub fn gone(worker: impl Into<String>) -> Self {
        Self::Gone { worker: worker.into() }
    }

    /// Returns the error for a worker of which a profile is being taken.
    pub fn profiled(worker: impl Into<String>) -> Self {
        Self::Profiled { worker: worker.into() }
    }

    /// Returns the error for a worker that the system's rules hide, with the rule and the way out.
    pub fn forbidden(worker: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Forbidden { worker: worker.into(), reason: reason.into() }
    }

    /// Returns the error for a worker that can be looked at in a moment.
    pub fn busy(worker: impl Into<String>) -> Self {
        Self::Busy { worker: worker.into() }
    }

    /// Returns the error with a reason of the system's.
    pub fn failed(worker: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Failed { worker: worker.into(), reason: reason.into() }
    }
}
