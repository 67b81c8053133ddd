//! The clocks of the machine, and how the registry's time continues over a restart. Nothing else here reads a clock.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use procpool_registry::Time;
use rustix::time::{ClockId, clock_gettime};

/// The clocks of a machine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970, by the wall clock, which may jump.
    pub wall: u64,
    /// Nanoseconds since the machine started, with the time during which it was suspended.
    pub since_boot: u64,
    /// The number of this start of the machine, or `""` if it is unknown.
    pub boot: String,
}

impl Moment {
    /// Reads the clocks.
    #[must_use]
    pub fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = clock_gettime(ClockId::Boottime);
        let since = Duration::new(
            u64::try_from(since.tv_sec).unwrap_or_default(),
            u32::try_from(since.tv_nsec).unwrap_or_default(),
        );
        let saturated = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        Self {
            wall: saturated(wall.as_millis()),
            since_boot: saturated(since.as_nanos()),
            boot: String::new(),
        }
    }

    /// Returns the registry's time at this moment of a new store: the date, by the wall clock.
    pub(crate) fn first(&self) -> Time {
        Time::ZERO + Duration::from_millis(self.wall)
    }

    /// Returns the registry's time at this moment, if it was `time` at `self`. During one start of a machine the time
    /// passes by the clock that nobody sets. Over a restart only the wall clock is left. It never leads back.
    pub(crate) fn passed(&self, time: Time, later: &Self) -> Time {
        let is_same_boot = !self.boot.is_empty() && self.boot == later.boot;
        let passed = match later.since_boot.checked_sub(self.since_boot) {
            Some(nanos) if is_same_boot => Duration::from_nanos(nanos),
            _ => Duration::from_millis(later.wall.saturating_sub(self.wall)),
        };
        time + passed
    }
}

/// Shows moments: those of the machine, or those that a test wants.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Moment + Send + Sync>);

impl Clock {
    /// Returns the clocks of this machine.
    #[must_use]
    pub fn system() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim().to_owned();
        Self::showing(move || Moment { boot: boot.clone(), ..Moment::now() })
    }

    /// Returns a clock that shows what this function returns.
    pub fn showing(moment: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self(Arc::new(moment))
    }

    pub(crate) fn moment(&self) -> Moment {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Clock").field(&self.moment()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall: u64, since_boot: u64, boot: &str) -> Moment {
        Moment { wall, since_boot, boot: boot.to_owned() }
    }

    #[test]
    fn the_wall_clock_counts_only_over_a_restart_of_the_machine() {
        let (then, time) = (moment(1_000_000, 5_000, "a"), Time::from_nanos(77));
        for wall in [0, 1_000_000, 9_000_000] {
            assert_eq!(then.passed(time, &moment(wall, 5_003, "a")), Time::from_nanos(80), "{wall}");
        }
        assert_eq!(then.passed(time, &moment(1_000_002, 1, "b")), Time::from_nanos(2_000_077));
        assert_eq!(then.passed(time, &moment(0, 9_000_000, "b")), time, "it led back");
        let unknown = moment(1_000_000, 5_000, "");
        assert_eq!(unknown.passed(time, &moment(1_000_001, 9_000_000, "")), Time::from_nanos(1_000_077));
    }
}
