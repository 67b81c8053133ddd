//! From the configuration of pools to the rules by which their durable jobs are handed out and tried again.

use crate::config::Retry;
use procpool_coordinator::PoolConfig;
use procpool_jobs::{DurableOptions, PoolOptions};
use std::collections::BTreeMap;

/// Number of jobs that a pool without `idempotent` has for each of its workers: one runs, the other is next.
const CLAIMS: usize = 2;

/// Returns the rules of the durable pools. `durable` says which these are, and how they try jobs again.
pub(crate) fn options<'a>(
    durable: &BTreeMap<String, Retry>,
    pools: impl IntoIterator<Item = &'a PoolConfig>,
) -> DurableOptions {
    let durable =
        pools.into_iter().filter_map(|pool| Some((pool.name.as_str(), of(pool, *durable.get(&pool.name)?))));
    DurableOptions::new(durable)
}

fn of(pool: &PoolConfig, retry: Retry) -> PoolOptions {
    let limits = &pool.limits;
    let mut options = PoolOptions::default();
    options.durable = true;
    options.idempotent = limits.idempotent.unwrap_or_default();
    options.max_attempts = limits.max_attempts;
    options.queue = limits.queue;
    options.claims = limits.max_workers.saturating_mul(CLAIMS);
    options.max_payload = usize::try_from(limits.max_payload).unwrap_or(usize::MAX);
    (options.retry.max_attempts, options.retry.factor) = (retry.max_attempts, retry.factor);
    (options.retry.first, options.retry.max) = (retry.first, retry.max);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_coordinator::Executable;

    #[test]
    fn a_durable_pool_has_the_limits_of_its_pool() {
        let pool = |name: &str| {
            let mut pool = PoolConfig::new(name, Executable::path("/bin/sh").unwrap());
            (pool.limits.max_workers, pool.limits.queue, pool.limits.max_payload) = (3, 7, 99);
            (pool.limits.idempotent, pool.limits.max_attempts) = (Some(true), 4);
            pool
        };
        let retry = Retry { max_attempts: 5, ..Retry::default() };
        let options = options(&BTreeMap::from([("fib".to_owned(), retry)]), &[pool("fib"), pool("ping")]);
        assert!(options.pool("ping").is_none());
        let fib = options.pool("fib").unwrap();
        assert!(fib.durable && fib.idempotent);
        assert_eq!((fib.claims, fib.queue, fib.max_payload), (6, 7, 99));
        assert_eq!((fib.max_attempts, fib.retry.max_attempts), (4, 5));
    }
}
