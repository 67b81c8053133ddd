//! [`DurableOptions`]: what a pool's jobs may do, as far as their store has to know it.

use procpool_registry::Attempts;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The pools of a store.
#[derive(Clone, Debug, Default)]
pub struct DurableOptions {
    pools: BTreeMap<Arc<str>, PoolOptions>,
}

/// One pool.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolOptions {
    /// Whether the pool's asynchronous jobs survive this process. Otherwise the store refuses them, as those of an unknown
    /// pool.
    pub durable: bool,
    /// Whether a job may be repeated after an attempt that may have run.
    pub idempotent: bool,
    /// Maximum number of attempts that the pool itself makes of an idempotent job. At least 1.
    pub max_attempts: u32,
    /// Maximum number of jobs that the pool gets before it has finished others. The rest waits in the store. At least 1.
    pub queue: usize,
    /// The same for a pool whose jobs may not be repeated: each of these jobs is lost with this process, and ends as
    /// crashed. Twice the number of workers keeps them busy. At least 1.
    pub claims: usize,
    /// Maximum size of an input, in bytes.
    pub max_payload: usize,
    /// How failed attempts are repeated.
    pub retry: Retry,
}

impl Default for PoolOptions {
    /// Returns a durable pool whose jobs run once.
    fn default() -> Self {
        Self {
            durable: true,
            idempotent: false,
            max_attempts: 1,
            queue: 1024,
            claims: 8,
            max_payload: usize::MAX,
            retry: Retry::default(),
        }
    }
}

/// How failed attempts are repeated: after `first`, then after `factor` times as long, and so on up to `max`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Retry {
    /// Maximum number of attempts of a job, with the first one. `1` repeats none.
    pub max_attempts: u32,
    /// Time between the first attempt and the second.
    pub first: Duration,
    /// Growth of that time from one attempt to the next. Values below 1 count as 1.
    pub factor: f64,
    /// Maximum time between two attempts.
    pub max: Duration,
    /// The share of each time that is random, from 0 to 1: `0.2` shortens it by up to a fifth.
    pub jitter: f64,
}

impl Default for Retry {
    /// Returns no retries, with times for a caller who sets only their number: 1 s, 2 s, 4 s and so on up to an hour.
    fn default() -> Self {
        let (first, max) = (Duration::from_secs(1), Duration::from_secs(60 * 60));
        Self { max_attempts: 1, first, factor: 2.0, max, jitter: 0.2 }
    }
}

impl DurableOptions {
    /// Returns the options of these pools.
    pub fn new<N: Into<Arc<str>>>(pools: impl IntoIterator<Item = (N, PoolOptions)>) -> Self {
        Self { pools: pools.into_iter().map(|(name, options)| (name.into(), options)).collect() }
    }

    /// Returns the options of a pool.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&PoolOptions> {
        self.pools.get(name)
    }

    /// Returns a durable pool with its name, which its records share.
    pub(super) fn named(&self, name: &str) -> Option<(&Arc<str>, &PoolOptions)> {
        self.pools.get_key_value(name).filter(|(_, options)| options.durable)
    }

    pub(super) fn durable(&self) -> impl Iterator<Item = (&Arc<str>, &PoolOptions)> {
        self.pools.iter().filter(|(_, options)| options.durable)
    }

    /// Returns the pools that get their jobs without a claim.
    pub(super) fn repeatable(&self) -> impl Iterator<Item = Arc<str>> {
        self.durable().filter(|(_, options)| options.idempotent).map(|(name, _)| name.clone())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.durable().map(|(name, _)| name.to_string()).collect()
    }
}

impl PoolOptions {
    /// Returns the maximum number of jobs that the pool has at once.
    pub(super) fn window(&self) -> usize {
        if self.idempotent { self.queue.max(1) } else { self.claims.min(self.queue).max(1) }
    }

    /// Returns whether a job may have another attempt after one of which nothing is known.
    pub(super) fn attempts(&self) -> Attempts {
        Attempts { idempotent: self.idempotent, max: self.max_attempts.max(self.retry.max_attempts).max(1) }
    }
}

impl Retry {
    /// Returns the time until the attempt after this one, from 1. `random` is from 0 to 1.
    #[must_use]
    pub fn wait(&self, attempt: u32, random: f64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * self.factor.max(1.0).powi(exponent);
        let bounded = seconds.min(self.max.as_secs_f64());
        let shortened = bounded * (1.0 - self.jitter.clamp(0.0, 1.0) * random.clamp(0.0, 1.0));
        Duration::try_from_secs_f64(shortened).unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_between_attempts_grows_up_to_its_bound() {
        let retry = Retry { max: Duration::from_secs(10), jitter: 0.5, ..Retry::default() };
        let seconds = |attempt, random| retry.wait(attempt, random).as_secs_f64();
        assert_eq!([1, 2, 3, 4, 5].map(|attempt| seconds(attempt, 0.0)), [1.0, 2.0, 4.0, 8.0, 10.0]);
        assert_eq!([seconds(2, 1.0), seconds(u32::MAX, 0.0)], [1.0, 10.0]);
    }

    #[test]
    fn a_pool_without_permission_to_repeat_gets_few_jobs_at_once() {
        let mut options = PoolOptions { queue: 100, claims: 4, ..PoolOptions::default() };
        assert_eq!(options.window(), 4);
        options.idempotent = true;
        assert_eq!(options.window(), 100);
    }
}
