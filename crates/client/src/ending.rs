//! How a command ends: the exit codes that scripts rely on, and which outcome has which.

/// The end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// All went well.
    Done,
    /// The job ran and failed, or some line of a batch did.
    Failed,
    /// The command line is wrong.
    Usage,
    /// No server answers, or the connection broke. Then the job may have run.
    NoServer,
    /// The job or the order was refused. It certainly did not run.
    Refused,
    /// The job did not end in time.
    TimedOut,
    /// The worker died with the job.
    Crashed,
}

impl Ending {
    /// Returns the exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NoServer => 3,
            Self::Refused => 4,
            Self::TimedOut => 5,
            Self::Crashed => 6,
        }
    }

    /// Returns the ending of a job with this outcome.
    ///
    /// A job that was accepted and then given back unrun counts as refused: a script may send it again.
    #[must_use]
    pub fn of_outcome(outcome: &str, may_have_run: bool) -> Self {
        match outcome {
            "ok" => Self::Done,
            "timed_out" => Self::TimedOut,
            "crashed" | "protocol_error" => Self::Crashed,
            "poisoned" if may_have_run => Self::Crashed,
            "refused" => Self::Refused,
            "poisoned" | "shut_down" if !may_have_run => Self::Refused,
            _ => Self::Failed,
        }
    }

    /// Returns the ending of a request that a server refused with a problem of this name.
    pub(crate) fn of_refusal(problem: &str, may_have_run: bool) -> Self {
        match problem {
            "bad_parameter" => Self::Usage,
            // The order ran, and changed nothing.
            "reload_failed" | "config_rejected" => Self::Failed,
            // Nothing was run for this request, whatever became of an earlier one.
            "job_finished" | "idempotency_conflict" | "idempotency_mismatch" => Self::Refused,
            _ if may_have_run => Self::Failed,
            _ => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ending_has_a_code_of_its_own() {
        let endings = [
            Ending::Done,
            Ending::Failed,
            Ending::Usage,
            Ending::NoServer,
            Ending::Refused,
            Ending::TimedOut,
            Ending::Crashed,
        ];
        assert_eq!(endings.map(Ending::code), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn only_a_job_that_did_not_run_is_refused() {
        for outcome in ["failed", "broke", "panicked", "cancelled", "output_too_large", "of a later server"] {
            assert_eq!(Ending::of_outcome(outcome, true), Ending::Failed, "{outcome}");
        }
        assert_eq!(Ending::of_outcome("poisoned", true), Ending::Crashed);
        assert_eq!(Ending::of_outcome("poisoned", false), Ending::Refused);
        assert_eq!(Ending::of_outcome("shut_down", true), Ending::Failed);
        assert_eq!(Ending::of_outcome("shut_down", false), Ending::Refused);
    }
}
