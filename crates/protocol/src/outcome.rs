//! How a job ends, as its caller sees it: an output, or a [`JobError`] with a report.

use crate::crash::{CrashReport, again, quarantined};
use crate::extras::JobReport;
use crate::failure::Failure;
pub use crate::job_id::{InvalidJobId, JobId};
pub use crate::outcome_kind::OutcomeKind;
use crate::outcome_stack::was_in;
use crate::payload::{Payload, PayloadError};
use crate::refusal::humane;
pub use crate::refusal::{Refusal, Refused};
use crate::refusal_table::SOON;
use crate::stack::Stack;
pub use crate::stage::Stage;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a job's time was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// Time from acceptance to the assignment to a worker, or to the end if it never was assigned.
    pub wait: Duration,
    /// Time from the assignment to a worker to the end, by the coordinator's clock.
    pub run: Duration,
}

impl Timing {
    /// Returns the timing of a job.
    #[inline]
    pub const fn new(wait: Duration, run: Duration) -> Self {
        Self { wait, run }
    }
}

/// A job's output, or the error that replaced it. An outcome is moved often and usually is an output, so the
/// error is boxed to limit the size of the type.
pub type Outcome = Result<Payload, Box<JobError>>;

/// The one outcome of an accepted job, undecoded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finished {
    /// The job.
    pub id: JobId,
    /// How its time was spent.
    pub timing: Timing,
    /// Its output, or the error that replaced it.
    pub result: Outcome,
    /// The rest of the worker's report on the job, if any.
    pub report: Option<Box<JobReport>>,
}

impl Finished {
    /// Returns the outcome of a job without a further report.
    #[inline]
    pub fn new(id: JobId, timing: Timing, result: Outcome) -> Self {
        Self { id, timing, result, report: None }
    }
}

/// Why a job has no output.
///
/// [`Refused`](Self::Refused) means that the job was never accepted; every other variant is the one
/// outcome of an accepted job.
///
/// Variants can gain fields: match them with `..`. Make one with the function of its name:
/// [`JobError::timed_out`] makes [`TimedOut`](Self::TimedOut).
///
/// ```
/// # use procpool_protocol::JobError;
/// fn log(error: &JobError) {
///     match error {
///         JobError::Failed(failure) => println!("{}: {failure}", failure.code()),
///         JobError::Crashed(report) => eprintln!("{} crashed: {}", report.death.worker, report.death.exit),
///         JobError::TimedOut { limit, .. } => eprintln!("it took more than {limit:?}"),
///         other => eprintln!("{}: {other}", other.kind()),
///     }
/// }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The pool did not accept the job.
    #[error("failed to submit the job: {0}")]
    Refused(Box<Refused>),
    /// The input does not decode to the job's input type; the function did not run.
    #[error("bad input: {message}")]
    #[non_exhaustive]
    BadInput {
        /// The worker's decoding error.
        message: String,
    },
    /// The function returned an error.
    #[error("the job failed: {0}")]
    Failed(Failure),
    /// The function broke: it threw an exception or hit a bug, and says that its input is not the cause
    /// ([`Failure::as_broken`]). The worker is not replaced.
    #[error("the job broke: {0}")]
    Broke(Failure),
    /// The function panicked. The worker is replaced.
    #[error("the job panicked: {message}{}{}", at(location.as_deref()), again(replay.as_deref()))]
    #[non_exhaustive]
    Panicked {
        /// The panic's message.
        message: String,
        /// `file:line:column`, if known.
        location: Option<String>,
        /// The file in which the job was saved, to be run again. `None` if it was not saved.
        replay: Option<PathBuf>,
    },
    /// The worker died.
    #[error("{0}")]
    Crashed(Box<CrashReport>),
    /// The job reached its timeout.
    #[error(
        "the job timed out {} after {}{}{}",
        stage.describe(),
        humane(*limit),
        was_in(stack.as_deref()),
        again(replay.as_deref())
    )]
    #[non_exhaustive]
    TimedOut {
        /// How far the job had progressed.
        stage: Stage,
        /// The timeout that it reached.
        limit: Duration,
        /// The file in which the job was saved, to be run again. `None` if it was not saved.
        replay: Option<PathBuf>,
        /// The stack of the worker at the deadline, if it is known. `None` if the job gave up at once.
        stack: Option<Arc<Stack>>,
    },
    /// The caller cancelled the job.
    #[error("the job was cancelled {}", stage.describe())]
    #[non_exhaustive]
    Cancelled {
        /// How far the job had progressed.
        stage: Stage,
    },
    /// The worker broke the protocol and was killed.
    #[error("the worker broke the protocol and was killed: {violation}{}", again(replay.as_deref()))]
    #[non_exhaustive]
    Protocol {
        /// The violation.
        violation: String,
        /// The file in which the job was saved, to be run again. `None` if it was not saved.
        replay: Option<PathBuf>,
    },
    /// The output is larger than the pool's `max_payload`.
    #[error("the output has {size} bytes; the pool's max_payload is {limit}")]
    #[non_exhaustive]
    OutputTooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The job ran successfully, but its output does not decode to the caller's type.
    #[error("the job succeeded but its output is unreadable: {0}")]
    Output(PayloadError),
    /// The payload has killed too many workers: it is in quarantine, and the pool did not run the job. The
    /// job with the last of these deaths is [`Crashed`](Self::Crashed), with [`CrashReport::quarantined`].
    #[error("{}", quarantined(*payload_deaths, *remaining))]
    #[non_exhaustive]
    Poisoned {
        /// How far the job had progressed: [`Stage::Running`] if a worker had received an earlier attempt.
        stage: Stage,
        /// Number of workers that the payload has killed.
        payload_deaths: u32,
        /// Remaining time of the quarantine.
        remaining: Duration,
    },
    /// The pool shut down before the job ended.
    #[error("the pool shut down while the job was {}", stage.describe())]
    #[non_exhaustive]
    ShutDown {
        /// How far the job had progressed.
        stage: Stage,
    },
}

impl From<Refused> for JobError {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

impl JobError {
    /// Returns the outcome in one word. An output that its caller cannot decode is `Ok`: the job ran
    /// successfully.
    ///
    /// ```
    /// # use procpool_protocol::{Failure, JobError, OutcomeKind};
    /// let error = JobError::Failed(Failure::new("94 is above 93"));
    /// assert_eq!((error.kind(), error.name()), (OutcomeKind::Failed, "failed"));
    /// ```
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Refused(_) => OutcomeKind::Refused,
            Self::BadInput { .. } => OutcomeKind::BadInput,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Broke(_) => OutcomeKind::Broke,
            Self::Panicked { .. } => OutcomeKind::Panicked,
            Self::Crashed(_) => OutcomeKind::Crashed,
            Self::TimedOut { .. } => OutcomeKind::TimedOut,
            Self::Cancelled { .. } => OutcomeKind::Cancelled,
            Self::Protocol { .. } => OutcomeKind::ProtocolError,
            Self::OutputTooLarge { .. } => OutcomeKind::OutputTooLarge,
            Self::Output(_) => OutcomeKind::Ok,
            Self::Poisoned { .. } => OutcomeKind::Poisoned,
            Self::ShutDown { .. } => OutcomeKind::ShutDown,
        }
    }

    /// Returns [`kind`](Self::kind) as a short word for programs.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Returns whether the function may have had side effects. `false` is certain, `true` is not.
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Refused(refused) => matches!(refused.reason, Refusal::EngineUnreachable { sent: true, .. }),
            Self::BadInput { .. } => false,
            Self::Crashed(report) => report.stage == Stage::Running,
            Self::TimedOut { stage, .. }
            | Self::Cancelled { stage }
            | Self::Poisoned { stage, .. }
            | Self::ShutDown { stage } => *stage == Stage::Running,
            Self::Failed(_) | Self::Broke(_) | Self::Panicked { .. } | Self::Protocol { .. } => true,
            Self::OutputTooLarge { .. } | Self::Output(_) => true,
        }
    }

    /// Returns whether the same job, sent again, may succeed without repeating a side effect. Either it
    /// cannot have run and the cause is temporary, or the function itself says so.
    ///
    /// ```
    /// # use procpool_protocol::{Failure, JobError};
    /// let busy = Failure::new("the tile server is busy");
    /// assert!(!JobError::Failed(busy.clone()).is_retryable());
    /// assert!(JobError::Failed(busy.retryable()).is_retryable());
    /// ```
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Failed(failure) | Self::Broke(failure) => failure.is_retryable(),
            Self::Refused(refused) => refused.reason.is_temporary(),
            Self::BadInput { .. } | Self::Cancelled { .. } | Self::Poisoned { .. } => false,
            other => !other.may_have_run(),
        }
    }

    /// Returns whether the job ran out of time, while it waited for a slot or for a worker, or ran.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut { .. }) || matches!(self.refusal(), Some(Refusal::NoSlotInTime { .. }))
    }

    /// Returns the time after which to try again. `None` unless a retry makes sense, which requires that the
    /// job cannot have run.
    ///
    /// ```
    /// # use procpool_protocol::JobError;
    /// # use procpool_protocol::outcome::{Refusal, Refused};
    /// use std::time::Duration;
    ///
    /// let error = JobError::from(Refused::new("fib", Refusal::queue_full(1024)));
    /// assert_eq!((error.http_status(), error.retry_after()), (503, Some(Duration::from_secs(1))));
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        match self.refusal() {
            Some(refusal) => refusal.retry_after(),
            None => matches!(self, Self::ShutDown { stage: Stage::Queued }).then_some(SOON),
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refused) => Some(&refused.reason),
            _ => None,
        }
    }

    /// Returns the report of the worker's death, if the worker died.
    ///
    /// ```
    /// # use procpool_protocol::JobError;
    /// /// Returns whether the job crashed a fresh worker, so that no earlier job can be the cause.
    /// fn crashes_alone(error: &JobError) -> bool {
    ///     error.crash_report().is_some_and(|report| report.first_job)
    /// }
    /// ```
    pub fn crash_report(&self) -> Option<&CrashReport> {
        match self {
            Self::Crashed(report) => Some(report),
            _ => None,
        }
    }

    /// Returns the function's own error, if the function failed or broke.
    ///
    /// ```
    /// # use procpool_protocol::{Failure, JobError};
    /// let error = JobError::Failed(Failure::new("94 is above 93").with_code("too_large"));
    /// assert_eq!(error.failure().map(Failure::code), Some("too_large"));
    /// ```
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) | Self::Broke(failure) => Some(failure),
            _ => None,
        }
    }

    /// Returns the file in which the job was saved to be run again, if it was.
    pub fn replay(&self) -> Option<&Path> {
        match self {
            Self::Panicked { replay, .. } | Self::TimedOut { replay, .. } | Self::Protocol { replay, .. } => {
                replay.as_deref()
            }
            other => other.crash_report()?.replay.as_deref(),
        }
    }

    /// Records the file in which the job was saved. Does nothing for an outcome whose jobs are not saved.
    pub fn saved_as(&mut self, file: PathBuf) {
        match self {
            Self::Panicked { replay, .. } | Self::TimedOut { replay, .. } | Self::Protocol { replay, .. } => {
                *replay = Some(file);
            }
            Self::Crashed(report) => report.replay = Some(file),
            _ => {}
        }
    }

    /// Returns the HTTP status of this outcome. This table, with that of refusals beside it, is the only
    /// one that maps the two.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Refused(refused) => refused.reason.http_status(),
            Self::BadInput { .. } => 400,
            Self::Failed(_) | Self::Poisoned { .. } => 422,
            Self::Cancelled { .. } => 499,
            Self::Broke(_) | Self::Panicked { .. } | Self::OutputTooLarge { .. } | Self::Output(_) => 500,
            Self::Crashed(_) | Self::Protocol { .. } => 502,
            Self::ShutDown { .. } => 503,
            Self::TimedOut { .. } => 504,
        }
    }
}

fn at(location: Option<&str>) -> String {
    location.map(|location| format!(" (at {location})")).unwrap_or_default()
}
