//! How a job ends, as its caller sees it: an output, or a [`JobError`] that says what is known.

use crate::crash::CrashReport;
use crate::job::Failure;
use crate::payload::{Payload, PayloadError};
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// A job's public id: 128 random bits, so that it cannot be guessed. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(u128);

impl JobId {
    /// The id with these bits; whoever makes one draws them from a secure random generator.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The id's bits, big-endian, as they travel.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "JobId({self})")
    }
}

impl std::str::FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(Self).ok_or(InvalidJobId)
    }
}

impl Serialize for JobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text is not a job id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job id is 32 hexadecimal digits")]
pub struct InvalidJobId;

/// How far a job had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// No worker had it.
    Queued,
    /// A worker had it.
    Running,
}

/// Where a job's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From being accepted to being given to a worker, or to the end if it never was.
    pub wait: Duration,
    /// From being given to a worker to the end, by the coordinator's clock.
    pub run: Duration,
}

/// The one outcome of an accepted job, undecoded.
#[derive(Debug)]
pub struct Finished {
    /// The job.
    pub id: JobId,
    /// Where its time went.
    pub timing: Timing,
    /// Its output, or what happened instead.
    pub result: Result<Payload, JobError>,
}

/// Why a job has no output.
///
/// [`Refused`](Self::Refused) means that the job was never accepted; every other variant is the one
/// outcome of an accepted job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The pool did not accept the job.
    #[error("failed to submit the job: {0}")]
    Refused(#[from] Refused),
    /// The input does not decode to what the job takes; the function did not run.
    #[error("bad input: {message}")]
    BadInput {
        /// What the worker's decoder says.
        message: String,
    },
    /// The function returned an error.
    #[error("the job failed: {0}")]
    Failed(Failure),
    /// The function panicked. The worker is replaced.
    #[error("the job panicked: {message}{}", at(location.as_deref()))]
    Panicked {
        /// The panic's message.
        message: String,
        /// `file:line:column`, where known.
        location: Option<String>,
    },
    /// The worker died.
    #[error("{0}")]
    Crashed(Box<CrashReport>),
    /// The job's time is up.
    #[error("the job timed out {} after {}", where_it_was(*stage), humane(*limit))]
    TimedOut {
        /// Where it was then.
        stage: Stage,
        /// The limit that it ran into.
        limit: Duration,
    },
    /// The caller cancelled the job.
    #[error("the job was cancelled {}", where_it_was(*stage))]
    Cancelled {
        /// Where it was then.
        stage: Stage,
    },
    /// The worker broke the protocol and was killed.
    #[error("the worker broke the protocol and was killed: {violation}")]
    Protocol {
        /// What it did.
        violation: String,
    },
    /// The output is larger than the pool's `max_payload`.
    #[error("the output has {size} bytes; the pool's max_payload is {limit}")]
    OutputTooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The job ended well, but its output does not decode to the caller's type.
    #[error("the job succeeded but its output is unreadable: {0}")]
    Output(PayloadError),
    /// The pool shut down before the job ended.
    #[error("the pool shut down while the job was {}", where_it_was(*stage))]
    ShutDown {
        /// Where it was then.
        stage: Stage,
    },
}

/// A pool did not accept a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pool `{pool}` {reason}")]
pub struct Refused {
    /// The pool.
    pub pool: String,
    /// Why.
    pub reason: Refusal,
}

/// Why a pool did not accept a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such pool.
    #[error("does not exist; there are: {}", .known.join(", "))]
    UnknownPool {
        /// The pools that there are.
        known: Vec<String>,
    },
    /// As many jobs as may wait are waiting.
    #[error("has {limit} jobs waiting and takes no more; try again later")]
    QueueFull {
        /// The bound of the queue, in jobs.
        limit: usize,
    },
    /// A queue slot did not come free before the job's deadline.
    #[error("had no queue slot within the job's {}", humane(*.limit))]
    NoSlotInTime {
        /// The job's timeout.
        limit: Duration,
    },
    /// The pool is draining or gone.
    #[error("is shutting down")]
    ShuttingDown,
    /// The encoded input is larger than the pool's `max_payload`.
    #[error("takes inputs of up to {limit} bytes, this one has {size}")]
    InputTooLarge {
        /// Its size, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The input cannot be encoded.
    #[error("cannot be sent this input: {0}")]
    InputEncoding(String),
}

impl Refusal {
    /// The reason as a short word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnknownPool { .. } => "unknown_pool",
            Self::QueueFull { .. } => "queue_full",
            Self::NoSlotInTime { .. } => "no_slot_in_time",
            Self::ShuttingDown => "shutting_down",
            Self::InputTooLarge { .. } => "input_too_large",
            Self::InputEncoding(_) => "input_encoding",
        }
    }
}

impl JobError {
    /// The outcome as a short word for programs; `refused` where there is no outcome.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::BadInput { .. } => "bad_input",
            Self::Failed(_) => "failed",
            Self::Panicked { .. } => "panicked",
            Self::Crashed(_) => "crashed",
            Self::TimedOut { .. } => "timed_out",
            Self::Cancelled { .. } => "cancelled",
            Self::Protocol { .. } => "protocol_error",
            Self::OutputTooLarge { .. } => "output_too_large",
            Self::Output(_) => "ok",
            Self::ShutDown { .. } => "shut_down",
        }
    }

    /// Whether the function may have had side effects. `false` is certain, `true` is not.
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Refused(_) | Self::BadInput { .. } => false,
            Self::Crashed(report) => report.stage == Stage::Running,
            Self::TimedOut { stage, .. } | Self::Cancelled { stage } | Self::ShutDown { stage } => {
                *stage == Stage::Running
            }
            Self::Failed(_) | Self::Panicked { .. } | Self::Protocol { .. } => true,
            Self::OutputTooLarge { .. } | Self::Output(_) => true,
        }
    }

    /// Whether the same job, sent again, may succeed without repeating a side effect: it cannot have
    /// run and the cause passes, or the function itself says so.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Failed(failure) => failure.is_retryable(),
            Self::Refused(refused) => matches!(
                refused.reason,
                Refusal::QueueFull { .. } | Refusal::NoSlotInTime { .. } | Refusal::ShuttingDown
            ),
            Self::BadInput { .. } | Self::Cancelled { .. } => false,
            other => !other.may_have_run(),
        }
    }

    /// Whether the job ran out of time, waiting for a slot, waiting for a worker or running.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::TimedOut { .. } | Self::Refused(Refused { reason: Refusal::NoSlotInTime { .. }, .. })
        )
    }

    /// When to try again, where that is sensible: only for jobs that cannot have run.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(Refused { reason: Refusal::QueueFull { .. } | Refusal::ShuttingDown, .. })
            | Self::ShutDown { stage: Stage::Queued } => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// What is known of the worker's death, if that is what happened.
    pub fn crash_report(&self) -> Option<&CrashReport> {
        match self {
            Self::Crashed(report) => Some(report),
            _ => None,
        }
    }

    /// The HTTP status that tells this outcome: the one table that maps the two.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Refused(refused) => match refused.reason {
                Refusal::UnknownPool { .. } => 404,
                Refusal::QueueFull { .. } | Refusal::ShuttingDown => 503,
                Refusal::NoSlotInTime { .. } => 504,
                Refusal::InputTooLarge { .. } => 413,
                Refusal::InputEncoding(_) => 400,
            },
            Self::BadInput { .. } => 400,
            Self::Failed(_) => 422,
            Self::Cancelled { .. } => 499,
            Self::Panicked { .. } | Self::OutputTooLarge { .. } | Self::Output(_) => 500,
            Self::Crashed(_) | Self::Protocol { .. } => 502,
            Self::ShutDown { .. } => 503,
            Self::TimedOut { .. } => 504,
        }
    }
}

fn at(location: Option<&str>) -> String {
    location.map(|location| format!(" (at {location})")).unwrap_or_default()
}

fn where_it_was(stage: Stage) -> &'static str {
    match stage {
        Stage::Queued => "in the queue",
        Stage::Running => "running",
    }
}

/// A duration as people write it: `1.5s`, `250ms`.
fn humane(duration: Duration) -> String {
    format!("{duration:?}")
}
