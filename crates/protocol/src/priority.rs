//! The rank of a job among those that wait.

use std::fmt;
use std::str::FromStr;

/// The rank of a job among the waiting jobs of its pool.
///
/// Jobs of a higher priority run first. Each eighth turn belongs to the priority whose oldest job has waited
/// longest, so a flood of high priority delays other jobs and never stops them.
///
/// ```
/// use procpool_protocol::engine::Priority;
///
/// assert_eq!("low".parse(), Ok(Priority::Low));
/// assert!("urgent".parse::<Priority>().is_err());
/// assert_eq!(Priority::default().to_string(), "normal");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Runs before all others.
    High,
    /// The priority of a job unless its submitter sets one.
    #[default]
    Normal,
    /// Runs when no other job waits, and in each eighth turn.
    Low,
}

impl Priority {
    /// All priorities, the highest first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// Returns `high`, `normal` or `low`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = UnknownPriority;

    fn from_str(text: &str) -> Result<Self, UnknownPriority> {
        Self::ALL.into_iter().find(|priority| priority.as_str() == text).ok_or(UnknownPriority)
    }
}

/// The error for a text that names no priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`high`, `normal` or `low` is needed")]
pub struct UnknownPriority;
