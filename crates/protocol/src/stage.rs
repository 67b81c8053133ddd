//! [`Stage`]: how far a job had come when it ended otherwise than well.

use serde::Serialize;

/// How far a job had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// No worker had it.
    Queued,
    /// A worker had it.
    Running,
}

impl Stage {
    /// Where the job was, as part of a sentence.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Queued => "in the queue",
            Self::Running => "running",
        }
    }
}
