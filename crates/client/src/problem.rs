//! The problem that a server answers with (RFC 9457), as far as a client acts on it.

use crate::ending::Ending;
use bytes::Bytes;
use serde::Deserialize;

/// A problem: why there is no output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Problem {
    /// The type, such as `/problems/refused`.
    pub r#type: String,
    /// The status.
    pub status: u16,
    /// A sentence for a person.
    pub detail: String,
    /// The outcome of an accepted job.
    pub outcome: Option<String>,
    /// Whether a job may have run. Older servers and proxies do not say.
    pub may_have_run: Option<bool>,
    /// The reason of a refusal.
    pub reason: Option<String>,
    /// The pool.
    pub pool: Option<String>,
    /// The job that the problem is about, if another request had sent it.
    pub job: Option<String>,
    /// The parameter that is wrong.
    pub parameter: Option<String>,
    /// The saved job that `procpool replay` runs again.
    pub replay: Option<String>,
    /// The report of a crash.
    pub crash: Option<Crash>,
    /// Time after which to try again, in seconds, by the header of the answer.
    #[serde(skip)]
    pub retry_after: Option<u64>,
    /// The document, to the letter.
    #[serde(skip)]
    pub document: Bytes,
}

/// The part of a crash report that leads to the next command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Crash {
    /// The saved job.
    pub replay: Option<String>,
}

impl Problem {
    /// Reads a document. `None` if it is no problem of a procpool server.
    #[must_use]
    pub fn read(document: &Bytes) -> Option<Self> {
        let problem: Self = serde_json::from_slice(document).ok()?;
        let is_ours = problem.r#type.starts_with("/problems/");
        is_ours.then(|| Self { document: document.clone(), ..problem })
    }

    /// Returns the last segment of the type, such as `refused`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.r#type.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the saved job, wherever the problem names it.
    #[must_use]
    pub fn replay(&self) -> Option<&str> {
        self.replay.as_deref().or_else(|| self.crash.as_ref()?.replay.as_deref())
    }

    /// Returns how a command with this problem ends.
    #[must_use]
    pub fn ending(&self) -> Ending {
        let may_have_run = self.may_have_run.unwrap_or(true);
        match self.outcome.as_deref() {
            // Other problems may name the outcome of an earlier job.
            Some(outcome) if outcome == self.name() => Ending::of_outcome(outcome, may_have_run),
            _ => Ending::of_refusal(self.name(), may_have_run),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Problem {
        Problem::read(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_refusal_has_a_reason_and_no_outcome() {
        let problem = read(
            r#"{"type":"/problems/refused","title":"t","status":503,"detail":"pool `fib` has 2 jobs waiting","may_have_run":false,"reason":"queue_full","pool":"fib","limit":2}"#,
        );
        assert_eq!((problem.name(), problem.reason.as_deref()), ("refused", Some("queue_full")));
        assert_eq!(problem.ending(), Ending::Refused);
    }

    #[test]
    fn outcomes_of_jobs_end_the_command_in_their_own_ways() {
        for (document, ending) in [
            (r#"{"type":"/problems/failed","outcome":"failed","may_have_run":true}"#, Ending::Failed),
            (r#"{"type":"/problems/bad_input","outcome":"bad_input","may_have_run":false}"#, Ending::Failed),
            (
                r#"{"type":"/problems/bad_parameter","outcome":"bad_input","may_have_run":false}"#,
                Ending::Usage,
            ),
            (
                r#"{"type":"/problems/timed_out","outcome":"timed_out","may_have_run":false}"#,
                Ending::TimedOut,
            ),
            (r#"{"type":"/problems/crashed","outcome":"crashed","may_have_run":true}"#, Ending::Crashed),
            (r#"{"type":"/problems/shut_down","outcome":"shut_down","may_have_run":false}"#, Ending::Refused),
            (r#"{"type":"/problems/overloaded","may_have_run":false}"#, Ending::Refused),
            (r#"{"type":"/problems/overloaded","may_have_run":true}"#, Ending::Failed),
            (r#"{"type":"/problems/internal"}"#, Ending::Failed),
            (r#"{"type":"/problems/unreadable_output","outcome":"ok","may_have_run":true}"#, Ending::Failed),
            (r#"{"type":"/problems/job_finished","outcome":"ok","may_have_run":true}"#, Ending::Refused),
            (r#"{"type":"/problems/result_expired","outcome":"ok","may_have_run":true}"#, Ending::Failed),
            (r#"{"type":"/problems/idempotency_conflict","may_have_run":true}"#, Ending::Refused),
        ] {
            assert_eq!(read(document).ending(), ending, "{document}");
        }
    }

    #[test]
    fn a_saved_job_is_found_where_it_stands() {
        assert_eq!(read(r#"{"type":"/problems/panicked","replay":"/a.job"}"#).replay(), Some("/a.job"));
        assert_eq!(
            read(r#"{"type":"/problems/crashed","crash":{"replay":"/b.job"}}"#).replay(),
            Some("/b.job")
        );
        assert_eq!(read(r#"{"type":"/problems/crashed","crash":{"replay":null}}"#).replay(), None);
    }

    #[test]
    fn documents_of_others_are_no_problems() {
        for text in ["", "null", "[]", "{}", r#"{"type":"about:blank"}"#, "<html>", r#"{"type":1}"#] {
            assert_eq!(Problem::read(&Bytes::copy_from_slice(text.as_bytes())), None, "{text}");
        }
    }
}
