//! [`Stage`]: how far a job had progressed when it ended without an output.

use serde::Serialize;

/// How far a job had progressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// No worker has held it.
    Queued,
    /// A worker holds the job, or held it. A job that waits for a retry counts as running.
    Running,
}

impl Stage {
    /// Returns the stage as part of a sentence.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Queued => "in the queue",
            Self::Running => "running",
        }
    }
}
