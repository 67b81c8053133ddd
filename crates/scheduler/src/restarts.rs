//! When a dead worker may be replaced. Refuses to know how many workers are wanted: only whether to start any.

use crate::random::SplitMix64;
use crate::{Backoff, Time};

/// How much a worker has shown of itself, which decides what its death says about its executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has not got through its handshake.
    Unready,
    /// It was ready, and has not finished a job.
    Untried,
    /// It has finished a job: its executable works.
    Proven,
}

/// Tells a crash loop from bad luck, for the whole pool.
///
/// A proven worker's death says nothing: it is replaced at once. An unready one's starts a backoff. An untried one's
/// may be its job's fault, so only a streak of them that a pool full of unlucky workers cannot explain does. Any job
/// finished anywhere in the pool ends the streak.
#[derive(Debug)]
pub(crate) struct Restarts {
    backoff: Backoff,
    /// Deaths in a row of untried workers that are nobody's fault.
    allowance: usize,
    random: SplitMix64,
    /// Deaths in a row without a finished job between them.
    failures: usize,
    /// Backoffs in a row without a finished job between them.
    rounds: u32,
    until: Option<Time>,
}

impl Restarts {
    pub(crate) const fn new(backoff: Backoff, max_workers: usize, seed: u64) -> Self {
        Self {
            backoff,
            allowance: max_workers.saturating_add(3),
            random: SplitMix64::new(seed),
            failures: 0,
            rounds: 0,
            until: None,
        }
    }

    /// Until when no worker is started.
    pub(crate) const fn until(&self) -> Option<Time> {
        self.until
    }

    /// A backoff that runs is not cut short: one worker that does well must not make the others' failures loop.
    pub(crate) const fn job_finished(&mut self) {
        self.failures = 0;
        self.rounds = 0;
    }

    /// Takes in a death nobody asked for. Says when the backoff that it begins ends, if it begins one.
    pub(crate) fn died(&mut self, now: Time, standing: Standing) -> Option<Time> {
        if standing == Standing::Proven {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        if standing == Standing::Untried && self.failures <= self.allowance {
            return None;
        }
        // Workers that were started together fail together; that is one failure, not one each.
        if self.until.is_some() {
            return None;
        }
        self.rounds = self.rounds.saturating_add(1);
        self.until = Some(now + self.backoff.delay(self.rounds, self.random.next()));
        self.until
    }

    /// The backoff's time is over.
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
        Restarts::new(Backoff::default(), MAX_WORKERS, 0)
    }

    /// The delay that a death at time zero brings about, after any earlier backoff has ended.
    fn delay(restarts: &mut Restarts, standing: Standing) -> Option<Duration> {
        restarts.resume();
        restarts.died(Time::ZERO, standing).map(|until| until.since(Time::ZERO))
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
        assert_eq!(delay(&mut restarts, Standing::Untried), None);
        assert!(is_step(delay(&mut restarts, Standing::Unready), 100));
    }

    #[test]
    fn workers_that_fail_together_count_as_one_failure() {
        let mut restarts = restarts();
        let until = restarts.died(Time::ZERO, Standing::Unready);
        for _ in 0..20 {
            assert_eq!(restarts.died(Time::ZERO, Standing::Unready), None);
        }
        assert_eq!(restarts.until(), until);
        assert!(is_step(delay(&mut restarts, Standing::Unready), 200));
    }
}
