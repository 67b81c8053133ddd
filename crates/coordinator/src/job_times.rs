//! The bounds on the times of a pool's jobs, which may change while the pool runs. Does not: keep time.

use procpool_protocol::engine::JobLimits;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Maximum timeout that a job may ask for, unless the pool sets its own.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

/// The bounds that a pool sets for jobs that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JobTimes {
    pub(crate) timeout: Option<Duration>,
    pub(crate) run_timeout: Option<Duration>,
    /// Maximum of both that a job may ask for, as it is configured.
    pub(crate) max: Option<Duration>,
}

impl JobTimes {
    /// Returns the maximum timeout that a job may ask for, or `None` if there is no maximum.
    pub(crate) fn longest(self) -> Option<Duration> {
        match self.max {
            Some(Duration::MAX) => None,
            Some(max) => Some(max),
            None => self.timeout.map(|timeout| timeout.max(LONGEST_TIMEOUT)),
        }
    }

    /// Returns the limits that apply to a job that asks for `job`.
    pub(crate) fn of_job(self, job: JobLimits) -> JobLimits {
        let max = self.longest();
        let cut = |asked: Option<Duration>| match (asked, max) {
            (Some(asked), Some(max)) => Some(asked.min(max)),
            (asked, None) => asked,
            (None, max) => max,
        };
        let run_timeout = job.run_timeout.or(self.run_timeout);
        JobLimits::new()
            .timeout(cut(job.timeout.or(self.timeout)))
            .run_timeout(run_timeout.map(|run| run.min(max.unwrap_or(run))))
    }

    /// Returns the limits of one of many jobs that nobody awaits alone. Its time counts from the moment at
    /// which it is given to a worker, unless `job` says how long it may wait.
    pub(crate) fn of_batched_job(self, job: JobLimits) -> JobLimits {
        let limits = self.of_job(job);
        let run_timeout = match (job.run_timeout, job.timeout) {
            (None, None) => limits.run_timeout.into_iter().chain(limits.timeout).min(),
            _ => limits.run_timeout,
        };
        JobLimits::new().timeout(job.timeout.and(limits.timeout)).run_timeout(run_timeout)
    }
}

/// The bounds of now. Each job reads them, so that they are behind no lock. A job that comes during a change may
/// get some of the old ones and some of the new ones.
#[derive(Debug)]
pub(crate) struct CurrentTimes([AtomicU64; 3]);

/// `None`, and `Duration::MAX`. A bound of this many nanoseconds would be 584 years.
const NONE: u64 = u64::MAX;
const FOR_EVER: u64 = u64::MAX - 1;

impl CurrentTimes {
    pub(crate) fn new(times: JobTimes) -> Self {
        Self(nanos(times).map(AtomicU64::new))
    }

    pub(crate) fn set(&self, times: JobTimes) {
        for (current, new) in self.0.iter().zip(nanos(times)) {
            current.store(new, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> JobTimes {
        let [timeout, run_timeout, max] = self.0.each_ref().map(|current| {
            let nanos = current.load(Ordering::Relaxed);
            match nanos {
                NONE => None,
                FOR_EVER => Some(Duration::MAX),
                nanos => Some(Duration::from_nanos(nanos)),
            }
        });
        JobTimes { timeout, run_timeout, max }
    }
}

fn nanos(times: JobTimes) -> [u64; 3] {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(FOR_EVER).min(FOR_EVER);
    [times.timeout, times.run_timeout, times.max].map(|time| time.map_or(NONE, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PoolLimits;

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn the_bounds_of_now_are_those_that_were_set_last() {
        let limits =
            PoolLimits { run_timeout: seconds(5), max_timeout: Some(Duration::MAX), ..PoolLimits::default() };
        let current = CurrentTimes::new(limits.times());
        assert_eq!(current.get(), limits.times());
        let other = JobTimes { timeout: None, run_timeout: seconds(0), max: seconds(1) };
        current.set(other);
        assert_eq!(current.get(), other);
    }

    #[test]
    fn nothing_lifts_the_operators_bound() {
        let limits = PoolLimits { timeout: None, max_timeout: seconds(10), ..PoolLimits::default() };
        let asks = |timeout, run_timeout| {
            limits.times().of_job(JobLimits::new().timeout(timeout).run_timeout(run_timeout))
        };
        assert_eq!(
            asks(seconds(60), seconds(60)),
            JobLimits::new().timeout(seconds(10)).run_timeout(seconds(10))
        );
        assert_eq!(asks(seconds(2), None), JobLimits::new().timeout(seconds(2)).run_timeout(None));
        assert_eq!(asks(None, None), JobLimits::new().timeout(seconds(10)).run_timeout(None));
    }

    #[test]
    fn nobody_asks_for_more_than_ten_minutes_unless_the_pool_says_so() {
        let granted = |timeout, max_timeout| {
            let limits = PoolLimits { timeout, max_timeout, ..PoolLimits::default() };
            let hour = JobLimits::new().timeout(seconds(3600)).run_timeout(seconds(3600));
            let JobLimits { timeout, run_timeout, .. } = limits.times().of_job(hour);
            assert_eq!(timeout, run_timeout);
            timeout
        };
        assert_eq!(granted(seconds(30), None), seconds(600));
        assert_eq!(granted(seconds(900), None), seconds(900));
        assert_eq!(granted(None, None), seconds(3600));
        assert_eq!(granted(seconds(30), Some(Duration::MAX)), seconds(3600));
        assert_eq!(granted(seconds(30), seconds(5)), seconds(5));
        let unbounded = PoolLimits { timeout: None, ..PoolLimits::default() };
        assert_eq!(unbounded.times().of_job(JobLimits::default()), JobLimits::default());
    }

    #[test]
    fn the_time_of_a_job_among_many_counts_from_its_start() {
        let of = |timeout, run_timeout, job: JobLimits| {
            PoolLimits { timeout, run_timeout, ..PoolLimits::default() }.times().of_batched_job(job)
        };
        let runs = |run_timeout: Option<Duration>| JobLimits::new().run_timeout(run_timeout);
        let job = JobLimits::default();
        assert_eq!(of(seconds(30), None, job), runs(seconds(30)));
        assert_eq!(of(seconds(30), seconds(5), job), runs(seconds(5)));
        assert_eq!(of(seconds(5), seconds(30), job), runs(seconds(5)));
        assert_eq!(of(None, None, job), runs(None));
        assert_eq!(of(seconds(30), None, runs(seconds(60))), runs(seconds(60)));
        assert_eq!(of(seconds(30), None, runs(seconds(6000))), runs(seconds(600)));
        let waits = JobLimits::new().timeout(seconds(60));
        assert_eq!(of(seconds(30), None, waits), waits);
        assert_eq!(of(seconds(30), seconds(5), waits).run_timeout, seconds(5));
    }
}
