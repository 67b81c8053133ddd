//! [`PublicError`]: the part of a job's error that a client may read. It has no process id, no path, no
//! standard error and no text of a panic: those are for logs.

use crate::failure::Failure;
use crate::outcome::{JobError, Refusal};
use serde::Serialize;
use std::borrow::Cow;
use std::time::Duration;

/// The codes that the pool and the worker SDK set, or that apply if a function sets none. The message of such
/// a code may be the text of a decoder or of any error that `?` converted.
const OWN_CODES: [&str; 10] = [
    "bad_chunk",
    "bad_input",
    "bad_output",
    Failure::CANCELLED,
    "does_not_serve",
    "failed",
    "job",
    "output_too_large",
    "panicked",
    "protocol",
];

const MALFORMED: &str = "the input is malformed";

/// The part of a [`JobError`] that a client may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PublicError {
    /// A short word for programs: the function's own code if it set one, the reason of a refusal, or the kind
    /// of outcome.
    pub code: String,
    /// A sentence for people: the function's own message if it set a code, or else one without details of
    /// this machine.
    pub message: String,
    /// The HTTP status of the error.
    pub status: u16,
    /// Whether the function may have had side effects.
    pub may_have_run: bool,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The time after which to try again, if a retry makes sense. In JSON `retry_after`, in whole seconds.
    #[serde(serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

impl JobError {
    /// Returns the part of this error that a client may read. The text of the error itself is for logs: it
    /// may contain process ids, paths and lines that a library wrote to standard error.
    ///
    /// A function's message is included if the function set a code
    /// ([`Failure::with_code`](crate::Failure::with_code)). Without one it may be the text of any error that
    /// `?` converted. The codes that procpool sets itself, such as `bad_input`, `bad_output` and `panicked`,
    /// do not count.
    ///
    /// ```
    /// use procpool_protocol::{Failure, JobError};
    ///
    /// let error = JobError::Failed(Failure::new("the picture is empty").with_code("empty"));
    /// assert_eq!((error.public().code.as_str(), error.public().status), ("empty", 422));
    /// let error = JobError::Failed(Failure::new("failed to open /srv/models/7"));
    /// assert_eq!(error.public().message, "the input was rejected");
    /// ```
    pub fn public(&self) -> PublicError {
        PublicError {
            code: self.public_code().to_owned(),
            message: self.public_message().into_owned(),
            status: self.http_status(),
            may_have_run: self.may_have_run(),
            retryable: self.is_retryable(),
            retry_after: self.retry_after(),
        }
    }

    fn public_code(&self) -> &str {
        match self {
            Self::Failed(failure) => failure.code(),
            Self::Refused(refused) => refused.reason.name(),
            other => other.name(),
        }
    }

    fn public_message(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Refused(refused) => return public_reason(&refused.reason),
            Self::Failed(failure) if !OWN_CODES.contains(&failure.code()) => failure.message(),
            Self::Failed(failure) if failure.code() == "bad_input" => MALFORMED,
            Self::Failed(_) => "the input was rejected",
            Self::BadInput { .. } => MALFORMED,
            Self::Broke(_) | Self::Panicked { .. } | Self::Protocol { .. } | Self::Output(_) => {
                "the service failed; its operators know more"
            }
            Self::Crashed(_) => "the service failed on this input; its operators know more",
            Self::Poisoned { .. } => {
                "the service has failed on this input too often, and does not try it for a while"
            }
            Self::TimedOut { limit, .. } => return format!("it took longer than {limit:?}").into(),
            Self::Cancelled { .. } => "it was cancelled",
            Self::OutputTooLarge { .. } => "the result is too large",
            Self::ShutDown { .. } => "the service is shutting down; try again later",
        })
    }
}

fn public_reason(reason: &Refusal) -> Cow<'static, str> {
    Cow::Borrowed(match reason {
        Refusal::UnknownPool { .. } => "there is no such service",
        Refusal::QueueFull { .. }
        | Refusal::QueueBytesFull { .. }
        | Refusal::NoSlotInTime { .. }
        | Refusal::KeyStoreFull { .. }
        | Refusal::LargeInputsFull { .. }
        | Refusal::RegistryFull { .. }
        | Refusal::StoreBusy { .. }
        | Refusal::DeadlineUnreachable { .. } => "the service is busy; try again later",
        Refusal::StoreFull
        | Refusal::StoreBroken { .. }
        | Refusal::EngineUnreachable { .. }
        | Refusal::BreakerOpen { .. }
        | Refusal::Starting
        | Refusal::Draining
        | Refusal::ShuttingDown => "the service is not available; try again later",
        Refusal::ClientQuarantined { .. } => {
            "the service has failed on this client's inputs too often; try again later"
        }
        Refusal::InputTooLarge { limit, .. } => return format!("the input exceeds {limit} bytes").into(),
        Refusal::RuntimeEnded
        | Refusal::Forked
        | Refusal::NotDurable
        | Refusal::NotSupported { .. }
        | Refusal::InputEncoding(_) => "the service failed; its operators know more",
    })
}

/// Returns whole seconds, rounded up so that no client retries too early.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn seconds<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(whole_seconds).serialize(serializer)
}
