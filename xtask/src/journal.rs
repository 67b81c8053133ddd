//! The steps of a task: announced, timed, and summed up at the end.
//!
//! All of it goes to stderr, beside cargo's own progress; stdout stays what the steps print.

use std::fmt;
use std::time::{Duration, Instant};

use crate::error::Error;

/// The steps that have been done so far.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    step: &'static str,
    ending: Ending,
}

#[derive(Debug)]
enum Ending {
    Passed(Duration),
    Failed(Duration),
    NotRun(&'static str),
}

impl Journal {
    /// Does one step; its error names the step.
    pub(crate) fn step<T>(
        &mut self,
        step: &'static str,
        action: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        eprintln!("\n=== {step}");
        let start = Instant::now();
        let result = action().map_err(|source| Error::Step { step, source: Box::new(source) });
        let took = start.elapsed();
        let ending = if result.is_ok() { Ending::Passed(took) } else { Ending::Failed(took) };
        self.note(step, ending);
        result
    }

    /// Does one step and goes on whatever becomes of it: [`Journal::finish`] will tell.
    pub(crate) fn attempt(&mut self, step: &'static str, action: impl FnOnce() -> Result<(), Error>) {
        if let Err(error) = self.step(step, action) {
            eprintln!("xtask: {error}");
        }
    }

    /// Says aloud that a step is left out, and why.
    pub(crate) fn skip(&mut self, step: &'static str, why: &'static str) {
        eprintln!("\n=== {step}");
        self.note(step, Ending::NotRun(why));
    }

    /// Prints every step with its ending.
    ///
    /// # Errors
    /// When a step failed.
    pub(crate) fn finish(self) -> Result<(), Error> {
        eprintln!("\n=== summary");
        for entry in &self.entries {
            eprintln!("{entry}");
        }
        let failed = |entry: &Entry| matches!(entry.ending, Ending::Failed(_)).then_some(entry.step);
        let failed: Vec<_> = self.entries.iter().filter_map(failed).collect();
        if failed.is_empty() { Ok(()) } else { Err(Error::Steps(failed)) }
    }

    fn note(&mut self, step: &'static str, ending: Ending) {
        let entry = Entry { step, ending };
        eprintln!("{entry}");
        self.entries.push(entry);
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = self.step;
        match self.ending {
            Ending::Passed(took) => write!(f, "--- passed   {:6.1} s  {step}", took.as_secs_f64()),
            Ending::Failed(took) => write!(f, "--- FAILED   {:6.1} s  {step}", took.as_secs_f64()),
            Ending::NotRun(why) => write!(f, "--- NOT RUN           {step}: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no() -> Result<(), Error> {
        Err(Error::NotBuilt("x"))
    }

    #[test]
    fn an_error_names_the_step_it_happened_in() {
        let error = Journal::default().step("doc tests", no).unwrap_err().to_string();
        assert!(error.starts_with("failed in the step \"doc tests\": "), "{error}");
    }

    #[test]
    fn a_failed_attempt_is_remembered_while_the_rest_goes_on() {
        let mut journal = Journal::default();
        journal.attempt("format", no);
        journal.attempt("docs", || Ok(()));
        journal.skip("licences", "no cargo-deny");
        assert_eq!(journal.finish().unwrap_err().to_string(), "failed in: format");
    }

    #[test]
    fn a_step_that_was_left_out_is_no_failure_but_is_shown() {
        let mut journal = Journal::default();
        journal.skip("licences", "cargo-deny is not installed");
        let line = journal.entries[0].to_string();
        assert!(line.contains("NOT RUN") && line.contains("cargo-deny is not installed"), "{line}");
        assert!(journal.finish().is_ok());
    }
}
