//! A job's error as JSON for logs: its kind, its whole text, and the fields for programs. Not for clients,
//! which receive [`JobError::public`].

use crate::outcome::JobError;
use crate::stack::Stack;
use crate::{CrashReport, Failure, OutcomeKind};
use serde::{Serialize, Serializer};

#[derive(Serialize)]
struct Json<'a> {
    outcome: OutcomeKind,
    message: String,
    may_have_run: bool,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crash: Option<&'a CrashReport>,
    /// That of a crash is in its report.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<&'a Stack>,
}

impl Serialize for JobError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reason = match self {
            Self::Refused(refused) => Some(refused.reason.name()),
            _ => None,
        };
        Json {
            outcome: self.kind(),
            message: self.to_string(),
            may_have_run: self.may_have_run(),
            retryable: self.is_retryable(),
            reason,
            failure: self.failure(),
            crash: self.crash_report(),
            stack: self.stack().filter(|_| self.crash_report().is_none()),
        }
        .serialize(serializer)
    }
}
