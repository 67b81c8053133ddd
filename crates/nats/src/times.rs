//! [`Times`]: when the attempts of a job may start, and when its time is up, by the clock of the server. Pure.

use crate::order::Terms;
use crate::wall::{self, Wall};
use procpool_registry::Time;
use std::time::Duration;

/// The times of one job. Those of the server's clock are in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    wall: Wall,
    /// When the job may start first.
    due: u64,
    /// Whether it was to wait for that time. Else the clocks of node and server do not matter for its start.
    has_delay: bool,
    /// The same for the present attempt, if its record says so.
    pub(crate) of_attempt: Option<u64>,
    timeout: Duration,
    /// Whether the timeout bounds all attempts together.
    is_whole: bool,
}

impl Times {
    /// Returns the times of a job that may start first at this time of the server's clock.
    pub(crate) fn new(wall: Wall, due: u64, has_delay: bool, terms: &Terms) -> Self {
        let is_whole = terms.retry.is_none_or(|retry| retry.whole);
        Self { wall, due, has_delay, of_attempt: None, timeout: terms.timeout, is_whole }
    }

    /// Returns the time until the present attempt may start.
    pub(crate) fn wait(&self, now: Time) -> Duration {
        let due = self.of_attempt.or(self.has_delay.then_some(self.due));
        due.map_or(Duration::ZERO, |due| self.until(due, now))
    }

    /// Returns the time until the server's clock shows this.
    pub(crate) fn until(&self, millis: u64, now: Time) -> Duration {
        self.wall.until(millis, now)
    }

    /// Returns what is left of the job's time, or of that of its present attempt.
    pub(crate) fn left(&self, now: Time) -> Duration {
        self.until(self.deadline(), now)
    }

    pub(crate) fn has_expired(&self, now: Time) -> bool {
        self.left(now).is_zero()
    }

    /// Returns when an attempt may start that has to wait for this time. `None` if the job's time is up by then.
    pub(crate) fn next(&self, now: Time, wait: Duration) -> Option<u64> {
        let due = self.wall.millis(now).saturating_add(wall::whole(wait));
        (!self.is_whole || due < self.deadline()).then_some(due)
    }

    fn deadline(&self) -> u64 {
        let begin = self.of_attempt.filter(|_| !self.is_whole).unwrap_or(self.due);
        begin.saturating_add(wall::whole(self.timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Retry;

    fn times(whole: bool) -> Times {
        let second = Duration::from_secs(1);
        let retry = Some(Retry { attempts: 2, first: second, factor: 1.0, max: second, whole });
        let terms = Terms { idempotent: false, attempts: 1, timeout: 10 * second, retry };
        Times::new(Wall(1_000_000_000), 3_000, true, &terms)
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn the_time_of_a_job_begins_when_it_may_start() {
        let times = times(true);
        assert_eq!((times.wait(at(0)), times.wait(at(2))), (Duration::from_secs(2), Duration::ZERO));
        assert_eq!(times.left(at(0)), Duration::from_secs(12));
        assert!(!times.has_expired(at(11)) && times.has_expired(at(12)));
    }

    #[test]
    fn a_job_without_a_delay_starts_at_once_whatever_the_clocks_say() {
        let times = Times { has_delay: false, ..times(true) };
        assert_eq!((times.wait(at(0)), times.left(at(0))), (Duration::ZERO, Duration::from_secs(12)));
    }

    #[test]
    fn a_timeout_of_the_pool_begins_with_each_attempt_and_one_of_the_client_once() {
        let wait = Duration::from_secs(5);
        let (mut whole, mut each) = (times(true), times(false));
        assert_eq!((whole.next(at(6), wait), each.next(at(6), wait)), (Some(12_000), Some(12_000)));
        assert_eq!((whole.next(at(7), wait), each.next(at(7), wait)), (None, Some(13_000)));
        (whole.of_attempt, each.of_attempt) = (Some(12_000), Some(12_000));
        assert_eq!((whole.wait(at(10)), each.wait(at(10))), (Duration::from_secs(1), Duration::from_secs(1)));
        assert_eq!(
            (whole.left(at(11)), each.left(at(11))),
            (Duration::from_secs(1), Duration::from_secs(10))
        );
    }
}
