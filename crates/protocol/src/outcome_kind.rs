//! [`OutcomeKind`]: how a job ended, in one word.

use serde::Serialize;
use std::fmt;

/// How a job ended, in one word. In JSON it is its [`name`](Self::name).
///
/// Declared in the order of the names, so that maps list them alphabetically.
///
/// ```
/// # use procpool_protocol::OutcomeKind;
/// use std::collections::BTreeMap;
///
/// let mut outcomes = BTreeMap::new();
/// for kind in [OutcomeKind::Ok, OutcomeKind::TimedOut, OutcomeKind::Ok] {
///     *outcomes.entry(kind).or_insert(0) += 1;
/// }
/// assert_eq!(outcomes[&OutcomeKind::Ok], 2);
/// assert_eq!(OutcomeKind::TimedOut.to_string(), "timed_out");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutcomeKind {
    /// The input cannot be decoded.
    BadInput,
    /// The function broke, and its input is not the cause.
    Broke,
    /// The job was cancelled.
    Cancelled,
    /// The worker died.
    Crashed,
    /// The function returned an error.
    Failed,
    /// The job ended successfully.
    Ok,
    /// The output is larger than allowed.
    OutputTooLarge,
    /// The function panicked.
    Panicked,
    /// The pool did not run the job, because its payload has killed too many workers.
    Poisoned,
    /// The worker broke the protocol.
    ProtocolError,
    /// The pool did not accept the job, which therefore has no outcome.
    Refused,
    /// The pool shut down.
    ShutDown,
    /// The job reached its timeout.
    TimedOut,
}

impl OutcomeKind {
    /// All kinds, by name.
    pub const ALL: [Self; 13] = [
        Self::BadInput,
        Self::Broke,
        Self::Cancelled,
        Self::Crashed,
        Self::Failed,
        Self::Ok,
        Self::OutputTooLarge,
        Self::Panicked,
        Self::Poisoned,
        Self::ProtocolError,
        Self::Refused,
        Self::ShutDown,
        Self::TimedOut,
    ];

    /// Returns the kind as a short word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadInput => "bad_input",
            Self::Broke => "broke",
            Self::Cancelled => "cancelled",
            Self::Crashed => "crashed",
            Self::Failed => "failed",
            Self::Ok => "ok",
            Self::OutputTooLarge => "output_too_large",
            Self::Panicked => "panicked",
            Self::Poisoned => "poisoned",
            Self::ProtocolError => "protocol_error",
            Self::Refused => "refused",
            Self::ShutDown => "shut_down",
            Self::TimedOut => "timed_out",
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_by_name_and_written_as_their_names() {
        let names = OutcomeKind::ALL.map(OutcomeKind::name);
        assert!(names.is_sorted(), "{names:?}");
        assert!(OutcomeKind::ALL.is_sorted());
        assert_eq!(OutcomeKind::ALL.map(|kind| serde_json::to_value(kind).unwrap()), names);
    }
}
