//! [`Wall`]: the wall clock of the server that leads a queue, as a node reads it by its own clock. Pure.

use procpool_registry::Time;
use std::time::Duration;

const MILLI: u64 = 1_000_000;

/// The server's time at the zero of the node's clock, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wall(pub u64);

impl Wall {
    /// Returns the server's time at this moment, in milliseconds since 1970, rounded down.
    #[must_use]
    pub fn millis(self, now: Time) -> u64 {
        self.nanos(now) / MILLI
    }

    /// Returns the time from this moment until the server's clock shows these milliseconds since 1970. Zero once it does.
    #[must_use]
    pub fn until(self, millis: u64, now: Time) -> Duration {
        Duration::from_nanos(millis.saturating_mul(MILLI).saturating_sub(self.nanos(now)))
    }

    /// Returns the moment at which the server's clock shows these milliseconds since 1970.
    #[must_use]
    pub fn time(self, millis: u64) -> Time {
        Time::ZERO + self.until(millis, Time::ZERO)
    }

    fn nanos(self, now: Time) -> u64 {
        self.0.saturating_add(now.as_nanos())
    }
}

/// Returns the milliseconds since 1970 at which this time is over that begins at these nanoseconds, rounded up.
pub(crate) fn after(nanos: u64, time: Duration) -> u64 {
    nanos.div_ceil(MILLI).saturating_add(whole(time))
}

/// Returns whole milliseconds, rounded up, so that nothing begins too early.
pub(crate) fn whole(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(u128::from(MILLI))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_due_early() {
        let wall = Wall(5_000_000_700);
        let now = Time::from_nanos(300);
        assert_eq!(wall.millis(now), 5_000);
        assert_eq!(wall.until(5_001, now), Duration::from_nanos(999_000));
        assert_eq!(wall.until(5_000, now), Duration::ZERO);
        assert_eq!(after(5_000_000_001, Duration::from_micros(1)), 5_002);
        assert_eq!(after(u64::MAX, Duration::MAX), u64::MAX);
        assert!(wall.until(u64::MAX, now) > Duration::from_secs(365 * 24 * 3600));
    }
}
