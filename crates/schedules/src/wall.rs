//! [`Wall`]: a time of day, as people read it.

use std::time::Duration;

/// Seconds since the Unix epoch by the wall clock, which can be set and can jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(i64);

impl Wall {
    /// Returns the time `secs` seconds after the epoch.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs)
    }

    /// Returns the seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0
    }

    /// Returns the time since `earlier`, or zero if `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let secs = self.0.saturating_sub(earlier.0);
        Duration::from_secs(u64::try_from(secs).unwrap_or(0))
    }
}
