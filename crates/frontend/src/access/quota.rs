//! How much of the server one token may use at a time and in a while. Does not: read a clock.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// The bounds of a token. `None`: no bound.
///
/// ```
/// let mut quota = procpool_frontend::Quota::default();
/// quota.max_jobs = std::num::NonZeroU32::new(100);
/// quota.jobs_per_second = std::num::NonZeroU32::new(50);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// Maximum number of jobs that wait or run.
    pub max_jobs: Option<NonZeroU32>,
    /// Maximum number of jobs a second, on average.
    pub jobs_per_second: Option<NonZeroU32>,
    /// Maximum number of jobs at once, after a pause. Default: those of a second.
    pub burst: Option<NonZeroU32>,
}

impl Quota {
    /// Returns whether nothing is bounded.
    pub(crate) fn is_endless(&self) -> bool {
        self.max_jobs.is_none() && self.jobs_per_second.is_none()
    }

    pub(super) fn rate(&self) -> Option<Rate> {
        let each_second = self.jobs_per_second?;
        Some(Rate { each_second, burst: self.burst.unwrap_or(each_second) })
    }
}

/// A token bucket: it holds `burst` and fills with `each_second`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) each_second: NonZeroU32,
    pub(super) burst: NonZeroU32,
}

impl Rate {
    /// Returns the time in which one job's room comes back.
    fn each(self) -> Duration {
        Duration::from_secs(1) / self.each_second.get()
    }

    /// Returns the time in which an empty bucket fills.
    pub(super) fn window(self) -> Duration {
        self.each() * self.burst.get()
    }
}

/// The used part of a quota.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    jobs: u32,
    /// When all of the rate's burst is there again.
    full_at: Instant,
}

/// The left part of a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) jobs: Option<u32>,
    /// Jobs that may come at once, and the time until the burst is whole.
    pub(super) rate: Option<(u32, Duration)>,
}

/// Which bound a job exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    Jobs,
    /// Its room is there after this time.
    Rate(Duration),
}

impl Used {
    pub(super) fn nothing(now: Instant) -> Self {
        Self { jobs: 0, full_at: now }
    }

    /// Takes a job's part of both bounds, or of neither.
    pub(super) fn take(&mut self, quota: &Quota, now: Instant) -> Result<(), Exceeded> {
        if quota.max_jobs.is_some_and(|most| self.jobs >= most.get()) {
            return Err(Exceeded::Jobs);
        }
        if let Some(rate) = quota.rate() {
            let full_at = self.full_at.max(now) + rate.each();
            // Later than a new, smaller burst allows if the file was read again.
            let excess = full_at.saturating_duration_since(now + rate.window());
            if !excess.is_zero() {
                return Err(Exceeded::Rate(excess));
            }
            self.full_at = full_at;
        }
        self.jobs = self.jobs.saturating_add(1);
        Ok(())
    }

    /// Gives the part of a job back that has ended. The rate has nothing to give back.
    pub(super) fn end(&mut self) {
        self.jobs = self.jobs.saturating_sub(1);
    }

    pub(super) fn left(&self, quota: &Quota, now: Instant) -> Left {
        let of_rate = |rate: Rate| {
            let refill = self.full_at.saturating_duration_since(now);
            let used = refill.as_nanos().div_ceil(rate.each().as_nanos().max(1));
            let used = u32::try_from(used).unwrap_or(u32::MAX);
            (rate.burst.get().saturating_sub(used), refill)
        };
        Left {
            jobs: quota.max_jobs.map(|most| most.get().saturating_sub(self.jobs)),
            rate: quota.rate().map(of_rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(max_jobs: u32, each_second: u32, burst: u32) -> Quota {
        Quota {
            max_jobs: NonZeroU32::new(max_jobs),
            jobs_per_second: NonZeroU32::new(each_second),
            burst: NonZeroU32::new(burst),
        }
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn as_many_jobs_as_the_quota_says_are_there_at_a_time() {
        let (quota, now) = (quota(2, 0, 0), Instant::now());
        let mut used = Used::nothing(now);
        assert_eq!([(); 3].map(|()| used.take(&quota, now)), [Ok(()), Ok(()), Err(Exceeded::Jobs)]);
        assert_eq!(used.left(&quota, now), Left { jobs: Some(0), rate: None });
        used.end();
        assert_eq!(used.take(&quota, now), Ok(()));
    }

    #[test]
    fn a_burst_comes_at_once_and_then_as_many_a_second_as_the_quota_says() {
        let (quota, start) = (quota(0, 10, 3), Instant::now());
        let mut used = Used::nothing(start);
        for _ in 0..3 {
            assert_eq!(used.take(&quota, start), Ok(()));
        }
        assert_eq!(used.take(&quota, start), Err(Exceeded::Rate(100 * MS)));
        assert_eq!(used.left(&quota, start).rate, Some((0, 300 * MS)));
        assert_eq!(used.take(&quota, start + 99 * MS), Err(Exceeded::Rate(MS)));
        assert_eq!(used.take(&quota, start + 100 * MS), Ok(()));
        assert_eq!(used.left(&quota, start + 350 * MS).rate, Some((2, 50 * MS)));
        // However long the pause was, the burst is no larger.
        let later = start + Duration::from_secs(3600);
        assert_eq!(used.left(&quota, later).rate, Some((3, Duration::ZERO)));
        let taken = (0..10).filter(|_| used.take(&quota, later).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn over_time_no_more_than_burst_and_rate_are_let_through_and_no_less_in_a_hurry() {
        for (each_second, burst) in [(1, 1), (7, 3), (1000, 1), (3, 100)] {
            let (quota, start) = (quota(0, each_second, burst), Instant::now());
            let mut used = Used::nothing(start);
            let through = (0..10_000).filter(|at| used.take(&quota, start + MS * *at).is_ok()).count();
            let most = usize::try_from(burst + each_second * 10).unwrap();
            assert!((most - 2..=most).contains(&through), "{each_second} {burst}: {through}");
        }
    }

    #[test]
    fn a_job_that_one_bound_refuses_uses_nothing_of_the_other() {
        let (quota, now) = (quota(1, 1, 1), Instant::now());
        let mut used = Used::nothing(now);
        assert_eq!(used.take(&quota, now), Ok(()));
        assert_eq!(used.take(&quota, now + MS), Err(Exceeded::Jobs));
        used.end();
        assert_eq!(used.take(&quota, now + MS), Err(Exceeded::Rate(999 * MS)));
        assert_eq!(used.left(&quota, now + MS), Left { jobs: Some(1), rate: Some((0, 999 * MS)) });
    }

    #[test]
    fn a_smaller_quota_after_a_reload_counts_what_was_used_before() {
        let now = Instant::now();
        let mut used = Used::nothing(now);
        for _ in 0..10 {
            assert_eq!(used.take(&quota(10, 10, 10), now), Ok(()));
        }
        assert_eq!(used.left(&quota(2, 10, 2), now).jobs, Some(0));
        assert_eq!(used.take(&quota(20, 10, 2), now), Err(Exceeded::Rate(900 * MS)));
    }
}
