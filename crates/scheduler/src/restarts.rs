//! When the pool may replace a dead worker, and when it refuses jobs because too many workers have
//! died. Does not: know the number of workers needed.

use std::collections::VecDeque;

use crate::random::SplitMix64;
use crate::{Backoff, Breaker, Death, Time};

/// How much a worker has proven about its executable, which decides how its death counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has not finished its handshake.
    Unready,
    /// It became ready and has not finished a job.
    Untried,
    /// It has finished a job, so its executable works.
    Proven,
}

/// Distinguishes a crash loop from bad luck, for the whole pool.
///
/// A death during a job counts against that job and is not reported here. The death of a proven
/// worker says nothing, so the pool replaces it at once. The death of an unready worker is a
/// failure and starts a backoff. The death of an untried worker, and a SIGKILL, may have any cause.
/// So these deaths are a failure only in a streak that a pool full of unlucky workers cannot
/// explain. Any finished job in the pool ends the streak.
///
/// Failures in quick succession open the breaker. A worker's first finished job proves the
/// executable and closes the breaker.
#[derive(Debug)]
pub(crate) struct Restarts {
    backoff: Backoff,
    breaker: Breaker,
    /// Maximum number of consecutive deaths that count as bad luck.
    allowance: usize,
    random: SplitMix64,
    /// Number of consecutive deaths without a finished job in between.
    streak: usize,
    /// Number of consecutive failures without a proven worker in between.
    failures: u32,
    /// The latest failures, as many as are necessary to open the breaker.
    latest: VecDeque<Time>,
    /// Total number of failures since the pool's start.
    total: u64,
    until: Option<Time>,
    is_open: bool,
}

impl Restarts {
    pub(crate) fn new(backoff: Backoff, breaker: Breaker, max_workers: usize, seed: u64) -> Self {
        Self {
            backoff,
            breaker,
            allowance: max_workers.saturating_add(3),
            random: SplitMix64::new(seed),
            streak: 0,
            failures: 0,
            total: 0,
            latest: VecDeque::new(),
            until: None,
            is_open: false,
        }
    }

    /// Changes the maximum number of workers.
    pub(crate) const fn resize(&mut self, max_workers: usize) {
        self.allowance = max_workers.saturating_add(3);
    }

    /// Returns the time until which no worker is started.
    pub(crate) const fn until(&self) -> Option<Time> {
        self.until
    }

    /// Returns whether the pool starts workers only one at a time, on trial.
    pub(crate) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Returns the total number of failures. Unlike the number of consecutive failures, it never
    /// returns to an earlier value.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    pub(crate) const fn job_finished(&mut self) {
        self.streak = 0;
    }

    /// Records that a worker has proven its executable. Does not end a running backoff, because one
    /// good worker must not let the others fail in a tight loop.
    pub(crate) fn proven(&mut self) {
        self.failures = 0;
        self.latest.clear();
        self.is_open = false;
    }

    /// Forgets everything about an executable that is no longer used.
    pub(crate) fn forget(&mut self) {
        self.proven();
        self.streak = 0;
        self.until = None;
    }

    /// Counts the death of a worker that had begun no job, if no order caused it. Returns the end of
    /// the backoff if the death starts one.
    pub(crate) fn died(&mut self, now: Time, standing: Standing, death: Death) -> Option<Time> {
        if standing == Standing::Proven {
            return None;
        }
        self.streak = self.streak.saturating_add(1);
        let may_be_bad_luck = standing == Standing::Untried || death == Death::Killed;
        if may_be_bad_luck && self.streak <= self.allowance {
            return None;
        }
        // Workers that were started together fail together. They count as one failure.
        if self.until.is_some() {
            return None;
        }
        self.failed(now);
        self.until = Some(now + self.backoff.delay(self.failures, self.random.next()));
        self.until
    }

    fn failed(&mut self, now: Time) {
        self.failures = self.failures.saturating_add(1);
        self.total += 1;
        self.latest.push_back(now);
        if self.latest.len() > self.breaker.failures.max(1) {
            self.latest.pop_front();
        }
        let first = self.latest.front().copied().unwrap_or(now);
        let is_burst = self.latest.len() == self.breaker.failures && now.since(first) <= self.breaker.window;
        self.is_open |= is_burst;
    }

    /// Ends the backoff.
    pub(crate) const fn resume(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MAX_WORKERS: usize = 2;

    fn restarts() -> Restarts {
        Restarts::new(Backoff::default(), Breaker::default(), MAX_WORKERS, 0)
    }

    /// Returns the delay that a death at time zero causes after any earlier backoff has ended.
    fn delay(restarts: &mut Restarts, standing: Standing) -> Option<Duration> {
        restarts.resume();
        restarts.died(Time::ZERO, standing, Death::Own).map(|until| until.since(Time::ZERO))
    }

    fn is_step(delay: Option<Duration>, millis: u64) -> bool {
        let step = Duration::from_millis(millis);
        delay.is_some_and(|delay| step / 2 <= delay && delay <= step)
    }

    #[test]
    fn a_proven_worker_is_replaced_at_once_however_often() {
        let mut restarts = restarts();
        assert!((0..1_000).all(|_| delay(&mut restarts, Standing::Proven).is_none()));
    }

    #[test]
    fn workers_that_do_not_start_are_tried_at_doubling_intervals() {
        let mut restarts = restarts();
        for step in [100, 200, 400, 800] {
            assert!(is_step(delay(&mut restarts, Standing::Unready), step), "step of {step} ms");
        }
    }

    #[test]
    fn untried_workers_may_die_five_times_in_a_pool_of_two() {
        let mut restarts = restarts();
        assert!((0..MAX_WORKERS + 3).all(|_| delay(&mut restarts, Standing::Untried).is_none()));
        assert!(is_step(delay(&mut restarts, Standing::Untried), 100));
        assert!(is_step(delay(&mut restarts, Standing::Untried), 200));
    }

    #[test]
    fn a_finished_job_starts_the_count_again() {
        let mut restarts = restarts();
        for _ in 0..MAX_WORKERS + 9 {
            delay(&mut restarts, Standing::Untried);
        }
        restarts.job_finished();
        restarts.proven();
        assert_eq!(delay(&mut restarts, Standing::Untried), None);
        assert!(is_step(delay(&mut restarts, Standing::Unready), 100));
    }

    #[test]
    fn workers_that_fail_together_count_as_one_failure() {
        let mut restarts = restarts();
        let until = restarts.died(Time::ZERO, Standing::Unready, Death::Own);
        for _ in 0..20 {
            assert_eq!(restarts.died(Time::ZERO, Standing::Unready, Death::Own), None);
        }
        assert_eq!(restarts.until(), until);
        assert!(is_step(delay(&mut restarts, Standing::Unready), 200));
    }

    #[test]
    fn a_kill_from_outside_is_bad_luck_until_it_is_a_streak() {
        let mut restarts = restarts();
        let mut killed = || restarts.died(Time::ZERO, Standing::Unready, Death::Killed);
        assert!((0..MAX_WORKERS + 3).all(|_| killed().is_none()));
        assert!(killed().is_some());
    }

    /// Causes this number of failures, `apart` from each other. Returns whether they open the
    /// breaker.
    fn opens(failures: u64, apart: Duration) -> bool {
        let mut restarts = restarts();
        let mut now = Time::ZERO;
        for _ in 0..failures {
            restarts.resume();
            restarts.died(now, Standing::Unready, Death::Own);
            now = now + apart;
        }
        restarts.is_open()
    }

    #[test]
    fn five_failures_in_ten_seconds_open_the_breaker() {
        assert!(!opens(4, Duration::from_millis(1)));
        assert!(opens(5, Duration::from_millis(2_500)));
        assert!(!opens(50, Duration::from_millis(2_501)));
    }

    #[test]
    fn a_breaker_stays_open_until_a_worker_is_proven() {
        let mut restarts = restarts();
        for _ in 0..9 {
            delay(&mut restarts, Standing::Unready);
            restarts.job_finished();
        }
        assert!(restarts.is_open());
        restarts.proven();
        assert!(!restarts.is_open());
        assert!(is_step(delay(&mut restarts, Standing::Unready), 100));
    }
}
