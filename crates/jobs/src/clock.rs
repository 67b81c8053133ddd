//! [`Clock`]: the registry's time, which never runs backwards and can be shown as dates.

use procpool_registry::Time;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Counts from the Unix epoch, by the monotonic clock from its creation on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    begun: Instant,
    /// The time then.
    since_epoch: Duration,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { begun: Instant::now(), since_epoch }
    }

    /// Returns a clock that is never before this time, even if the system's was set back.
    pub(crate) fn not_before(time: Time) -> Self {
        let new = Self::new();
        let since_epoch = new.since_epoch.max(time.since(Time::ZERO));
        Self { since_epoch, ..new }
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + (self.since_epoch + self.begun.elapsed())
    }

    /// Returns how long it is until `time`.
    pub(crate) fn until(&self, time: Time) -> Duration {
        time.since(self.now())
    }
}
