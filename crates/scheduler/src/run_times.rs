//! The run times of earlier jobs, and estimates from them. Does not: decide.

use std::time::Duration;

use crate::Time;

/// Number of jobs that are remembered one by one.
const REMEMBERED: usize = 64;

/// Number of jobs over which the mean is taken, the latest with the most weight. Many, as an error of one percent is a
/// run where a job waits for a hundred.
const AVERAGED: u64 = 256;

/// Minimum number of jobs from which anything is estimated.
const ENOUGH: u64 = 32;

/// Number of further jobs after which an estimate is made anew, and the time that has to pass, so that no flood of short
/// jobs pays for it.
const STALE: u64 = 8;
const STALE_AFTER: Duration = Duration::from_millis(1);

/// The run times of earlier jobs, in nanoseconds. Estimates are made when they are asked for.
#[derive(Debug)]
pub(crate) struct RunTimes {
    latest: [u64; REMEMBERED],
    mean: f64,
    variance: f64,
    count: u64,
    estimate: Estimate,
    /// The count and the time at which it was made.
    made_at: u64,
    made: Time,
}

/// An estimate of run times, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Estimate {
    /// A quarter of the jobs were shorter.
    quartile: u64,
    /// Half of them were.
    median: u64,
    mean: f64,
    variance: f64,
    /// No estimate is above this.
    ceiling: u64,
}

impl Default for RunTimes {
    fn default() -> Self {
        Self {
            latest: [0; REMEMBERED],
            mean: 0.0,
            variance: 0.0,
            count: 0,
            estimate: Estimate::default(),
            made_at: 0,
            made: Time::ZERO,
        }
    }
}

impl RunTimes {
    /// Counts the run of a job, which took this number of nanoseconds.
    pub(crate) fn saw(&mut self, nanos: u64) {
        let at = usize::try_from(self.count % REMEMBERED as u64).unwrap_or(0);
        self.latest[at] = nanos;
        self.count += 1;
        let weight = if self.count < AVERAGED { 1.0 / self.count as f64 } else { 1.0 / AVERAGED as f64 };
        let error = nanos as f64 - self.mean;
        self.mean += weight * error;
        self.variance = (1.0 - weight) * (self.variance + weight * error * error);
    }

    /// Returns the mean run time of the latest jobs, unless there were too few. Makes no estimate.
    pub(crate) fn mean(&self) -> Option<Duration> {
        (self.count >= ENOUGH).then(|| Duration::from_nanos(nanos_of(self.mean)))
    }

    /// Forgets all jobs, as those to come run otherwise.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Returns an estimate, unless there were too few jobs.
    pub(crate) fn estimate(&mut self, now: Time) -> Option<Estimate> {
        if self.count < ENOUGH {
            return None;
        }
        let is_stale = self.count - self.made_at >= STALE && now >= self.made + STALE_AFTER;
        if self.made_at == 0 || is_stale {
            self.estimate = self.make();
            (self.made_at, self.made) = (self.count, now);
        }
        Some(self.estimate)
    }

    /// Returns the time that every other job was longer than, as it was estimated last. Zero if it never was.
    pub(crate) const fn usual(&self) -> Duration {
        self.estimate.usual()
    }

    fn make(&self) -> Estimate {
        let known = usize::try_from(self.count).unwrap_or(REMEMBERED).min(REMEMBERED);
        let mut sorted = self.latest;
        let sorted = &mut sorted[..known];
        sorted.sort_unstable();
        let (quartile, median) = (sorted[known / 4], sorted[known / 2]);
        // Rounded down, as the mean is where it counts.
        let ceiling = nanos_of(self.mean).max(quartile);
        Estimate { quartile, median, mean: self.mean, variance: self.variance, ceiling }
    }
}

impl Estimate {
    /// Returns the time that a single job is likely to need at least: that of the shortest quarter.
    pub(crate) const fn one(self) -> Duration {
        Duration::from_nanos(self.quartile)
    }

    /// Returns the time that a single job needs in every other case.
    pub(crate) const fn usual(self) -> Duration {
        Duration::from_nanos(self.median)
    }

    /// Returns a time that is no shorter than [`one`](Self::one) and [`each_of`](Self::each_of).
    pub(crate) const fn ceiling(self) -> Duration {
        Duration::from_nanos(self.ceiling)
    }

    /// Returns the time that each of this number of jobs needs at least on average: the mean, less two standard errors of
    /// their sum. It is no shorter than for one job.
    pub(crate) fn each_of(self, jobs: usize) -> Duration {
        let margin = 2.0 * (self.variance / jobs.max(1) as f64).sqrt();
        Duration::from_nanos(nanos_of(self.mean - margin).max(self.quartile))
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is negative or too large saturates"
)]
const fn nanos_of(nanos: f64) -> u64 {
    nanos as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(times: impl IntoIterator<Item = u64>) -> Option<Estimate> {
        let mut run_times = RunTimes::default();
        times.into_iter().for_each(|millis| run_times.saw(millis * 1_000_000));
        run_times.estimate(Time::ZERO)
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn nothing_is_estimated_from_few_jobs() {
        assert_eq!(after([5; 31]), None);
        assert!(after([5; 32]).is_some());
    }

    #[test]
    fn equal_run_times_are_known_exactly() {
        for count in [32, 64, 1_000] {
            let estimate = after(vec![7; count]).unwrap();
            assert_eq!(
                [estimate.one(), estimate.usual(), estimate.each_of(1), estimate.each_of(1_000)],
                [ms(7); 4]
            );
        }
    }

    #[test]
    fn the_sum_of_many_jobs_is_better_known_than_one_job() {
        // One in eight takes a hundred times as long.
        let estimate = after((0..256).map(|job| if job % 8 == 0 { 100 } else { 1 })).unwrap();
        assert_eq!([estimate.one(), estimate.usual(), estimate.each_of(1)], [ms(1); 3]);
        let many = estimate.each_of(10_000);
        assert!(many > ms(11) && many < ms(14), "{many:?}");
    }

    #[test]
    fn earlier_jobs_are_forgotten() {
        let mut run_times = RunTimes::default();
        (0..64).for_each(|_| run_times.saw(500_000_000));
        run_times.estimate(Time::ZERO);
        (0..5_000).for_each(|_| run_times.saw(2_000_000));
        assert_eq!(run_times.estimate(Time::ZERO).unwrap().one(), ms(500), "a moment ago");
        let now = run_times.estimate(Time::ZERO + ms(1)).unwrap();
        assert_eq!((now.one(), run_times.usual()), (ms(2), ms(2)));
        assert!(now.each_of(10_000) < ms(3), "{now:?}");
        run_times.forget();
        assert_eq!(run_times.estimate(Time::ZERO), None);
    }
}
