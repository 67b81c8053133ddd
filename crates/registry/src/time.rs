//! Instants and their arithmetic. Does not: read a clock.

use std::ops::Add;
use std::time::Duration;

/// An instant, in nanoseconds since an epoch that the caller chooses.
///
/// The caller advances it by a monotonic clock. With the Unix epoch as its zero, the times of a
/// record can be shown as dates. Arithmetic saturates at both ends. 64 bits last for 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The epoch itself.
    pub const ZERO: Self = Self(0);

    /// Returns the instant `nanos` nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the time since `earlier`, or zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Adds a duration. [`Duration::MAX`] saturates at the end of time instead of overflowing.
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_saturates_at_the_end_of_time() {
        let end = Time::from_nanos(u64::MAX);
        assert_eq!(Time::from_nanos(1) + Duration::MAX, end);
        assert_eq!(end + Duration::from_nanos(1), end);
    }

    #[test]
    fn a_later_instant_is_zero_ago() {
        let (early, late) = (Time::from_nanos(3), Time::from_nanos(10));
        assert_eq!(late.since(early), Duration::from_nanos(7));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
