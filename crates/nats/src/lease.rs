//! [`Lease`]: how long a node may run a job without a word from the server. A pure state machine.
//!
//! A renewal counts from the moment at which it was sent: the server's own timer cannot have begun earlier. So a
//! job is killed here before the server hands it to another node, whatever the network did with the answer.

use crate::timings::Timings;
use procpool_registry::Time;

/// The lease of one job.
#[derive(Clone, Debug)]
pub struct Lease {
    timings: Timings,
    /// When the last confirmed renewal was sent.
    confirmed: Time,
    /// When to send the next renewal.
    next: Time,
    /// Number of failed renewals since the last confirmed one.
    failed: u32,
    has_expired: bool,
}

/// Something that happens to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server has answered a renewal, and the record still names this node.
    Confirmed {
        /// When the renewal was sent.
        sent: Time,
    },
    /// A renewal failed, or its answer did not come.
    Failed,
    /// Time has passed.
    Tick,
}

/// A thing for which a lease asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Renew it.
    Renew,
    /// Kill the job now. Comes once, and nothing follows.
    Kill,
}

impl Lease {
    /// Returns the lease of a job that was requested at this time: the server cannot have handed it out earlier.
    #[must_use]
    pub fn new(timings: Timings, requested: Time) -> Self {
        let next = requested + timings.renew;
        Self { timings, confirmed: requested, next, failed: 0, has_expired: false }
    }

    /// Takes an event. Returns the one action that follows, if any.
    pub fn handle(&mut self, now: Time, event: Event) -> Option<Action> {
        if self.has_expired {
            return None;
        }
        match event {
            Event::Confirmed { sent } => {
                self.confirmed = self.confirmed.max(sent);
                self.next = self.next.max(self.confirmed + self.timings.renew);
                self.failed = 0;
            }
            Event::Failed => {
                self.next = self.next.min(now + self.timings.pause_after(self.failed));
                self.failed = self.failed.saturating_add(1);
            }
            Event::Tick => {}
        }
        // Also where an answer comes late, because this process was stopped in the meantime.
        if now >= self.fence() {
            self.has_expired = true;
            return Some(Action::Kill);
        }
        if now >= self.next {
            self.next = now + self.timings.renew;
            return Some(Action::Renew);
        }
        None
    }

    /// Returns whether the job may still start, or continue.
    #[must_use]
    pub fn holds(&self, now: Time) -> bool {
        !self.has_expired && now < self.fence()
    }

    /// Returns whether a renewal was confirmed as lately as it should be: one may have failed.
    #[must_use]
    pub fn is_fresh(&self, now: Time) -> bool {
        !self.has_expired && now < self.confirmed + (self.timings.renew + self.timings.fence) / 2
    }

    /// Returns when to tick. `None` once it has expired.
    #[must_use]
    pub fn timeout(&self) -> Option<Time> {
        (!self.has_expired).then(|| self.next.min(self.fence()))
    }

    fn fence(&self) -> Time {
        self.confirmed + self.timings.fence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn lease() -> Lease {
        Lease::new(Timings::default(), at(1000))
    }

    #[test]
    fn it_is_renewed_every_five_seconds() {
        let mut lease = lease();
        assert_eq!(lease.timeout(), Some(at(6000)));
        assert_eq!(lease.handle(at(5999), Event::Tick), None);
        assert_eq!(lease.handle(at(6000), Event::Tick), Some(Action::Renew));
        assert_eq!(lease.handle(at(6000), Event::Tick), None);
        assert_eq!(lease.handle(at(6100), Event::Confirmed { sent: at(6000) }), None);
        assert_eq!(lease.timeout(), Some(at(11_000)));
    }

    #[test]
    fn ten_seconds_after_the_last_confirmed_renewal_was_sent_the_job_is_killed_once() {
        let mut lease = lease();
        assert_eq!(lease.handle(at(6000), Event::Tick), Some(Action::Renew));
        // The answer took four seconds, and does not count from its arrival.
        assert_eq!(lease.handle(at(10_000), Event::Confirmed { sent: at(6000) }), None);
        assert_eq!(lease.handle(at(11_000), Event::Tick), Some(Action::Renew));
        assert!(lease.holds(at(15_999)));
        assert_eq!(lease.handle(at(16_000), Event::Tick), Some(Action::Kill));
        assert_eq!(lease.handle(at(16_001), Event::Confirmed { sent: at(15_999) }), None);
        assert_eq!((lease.handle(at(99_000), Event::Tick), lease.timeout()), (None, None));
        assert!(!lease.holds(at(16_001)));
    }

    #[test]
    fn a_failed_renewal_is_tried_again_soon() {
        let mut lease = lease();
        lease.handle(at(6000), Event::Tick);
        assert_eq!(lease.handle(at(6010), Event::Failed), None);
        assert_eq!(lease.handle(at(6060), Event::Tick), Some(Action::Renew));
        assert_eq!(lease.handle(at(6060), Event::Failed), None);
        assert_eq!(lease.timeout(), Some(at(6160)));
    }

    #[test]
    fn a_process_that_was_stopped_kills_its_job_first() {
        let mut lease = lease();
        lease.handle(at(6000), Event::Tick);
        // The answer waited in the socket.
        assert_eq!(lease.handle(at(60_000), Event::Confirmed { sent: at(6000) }), Some(Action::Kill));
    }
}
