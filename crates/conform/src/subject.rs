//! [`Subject`]: the worker under test.

use std::ffi::OsString;

/// The worker under test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subject {
    /// The program, a path or a name to find on `PATH`, and its arguments.
    pub command: Vec<OsString>,
    /// An input as JSON that the worker answers with `Ok`. The fixture needs none.
    pub input: Option<String>,
    /// Name of the job, for an executable that has several.
    pub job: Option<String>,
}

impl Subject {
    /// Returns a subject without a known input.
    ///
    /// # Panics
    /// When the command has no word.
    pub fn new(command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let command: Vec<OsString> = command.into_iter().map(Into::into).collect();
        assert!(!command.is_empty(), "a command has at least one word");
        Self { command, input: None, job: None }
    }

    /// Returns the same subject with an input that its workers answer with `Ok`.
    #[must_use]
    pub fn with_input(mut self, input: impl Into<String>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Returns the same subject, whose workers serve this job.
    #[must_use]
    pub fn with_job(mut self, job: impl Into<String>) -> Self {
        self.job = Some(job.into());
        self
    }
}
