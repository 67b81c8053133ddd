//! The settings of a pool, fixed at its start. Does not: count the machine's CPUs; the caller does.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::Backoff;

/// The settings of one pool; checked by [`Scheduler::new`](crate::Scheduler::new).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Minimum number of workers kept, even when there is nothing to do. Default: 1.
    pub min_workers: usize,
    /// Maximum number of workers in service, plus one while one is being replaced. Retiring workers
    /// come on top, at most as many again. Default: 1.
    pub max_workers: usize,
    /// Maximum number of jobs that may wait. A job whose worker died before the job was handed over
    /// waits again, so up to `max_workers` plus one more can be waiting.
    ///
    /// As many again, and at least one, may wait for a worker that has run nothing, because their
    /// payloads have killed. Default: 1024.
    pub queue: usize,
    /// Maximum total of bytes of the payloads that wait. A job beyond it is refused, unless none
    /// waits. Jobs that a worker holds do not count. A job whose worker died before the job was
    /// handed over waits again all the same.
    ///
    /// Jobs whose payloads have killed are counted apart, against the same bound. Default: no
    /// bound.
    pub queue_bytes: usize,
    /// Time between asking a worker to give up a job and SIGKILL. Default: 1 s.
    pub grace: Duration,
    /// Time between asking a worker to exit and SIGKILL. Default: 5 s.
    pub stop_timeout: Duration,
    /// Pauses between starts while workers die before they did anything.
    pub backoff: Backoff,
    /// Starts no worker until the first job; from then on `min_workers` counts. Default: `false`.
    pub lazy: bool,
    /// When workers that keep dying stop jobs from being accepted.
    pub breaker: Breaker,
    /// When a payload that keeps killing workers is no longer run.
    pub poison: Poison,
    /// When a client whose jobs keep killing workers is refused.
    pub client_deaths: ClientDeaths,
    /// Whether a job whose worker reached its memory limit may be retried like any other. Default:
    /// `false`.
    pub retry_out_of_memory: bool,
    /// When a worker is replaced though nothing is wrong with it.
    pub recycling: Recycling,
    /// A new process for every job: a worker is asked to exit after its first. Default: `false`.
    pub process_per_job: bool,
    /// Maximum number of jobs that are sent to a worker ahead of their turn, while jobs are small
    /// enough for it. `0` disables it.
    pub ahead: usize,
    /// Number of workers kept idle and ready beside those that are busy, as far as `max_workers`
    /// allows. Default: 0.
    pub spares: usize,
    /// Time without a job after which an idle worker exits, down to `min_workers`. Default: never.
    pub idle_timeout: Option<Duration>,
}

/// A circuit breaker over the starts of workers. Workers that fail together count as one failure, and only those that
/// die before they have finished a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Number of failures within `window` that open the breaker. Default: 5.
    pub failures: usize,
    /// Time within which the failures count. Default: 10 s. A worker on trial closes the breaker
    /// when it has lived this long, or with its first finished job.
    pub window: Duration,
}

/// A quarantine for payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poison {
    /// Number of deaths of a payload's own doing after which it is no longer run, if it was the
    /// first job of one of these workers. Twice as many if it never was. `0` disables it. Default:
    /// 3.
    pub deaths: u32,
    /// Time after which a death is forgotten. Default: 10 min.
    pub memory: Duration,
}

/// A bound on the workers that the jobs of one client kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientDeaths {
    /// Number of deaths of its jobs' own doing after which a client is refused until the window
    /// ends. `0`: deaths are only counted. Default: 0.
    pub deaths: u32,
    /// Length of the window, which begins with a client's first death. Default: 10 min.
    pub window: Duration,
}

/// Bounds after which a worker is replaced, between jobs and one at a time. Each worker's own bound
/// is up to a tenth lower, so that workers that were started together do not retire together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recycling {
    /// Maximum number of jobs of a worker. Default: `None`.
    pub jobs: Option<NonZeroU64>,
    /// Maximum time since the worker was ready. Default: `None`.
    pub lifetime: Option<Duration>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, window: Duration::from_secs(10) }
    }
}

impl Default for Poison {
    fn default() -> Self {
        Self { deaths: 3, memory: Duration::from_secs(600) }
    }
}

impl Default for ClientDeaths {
    fn default() -> Self {
        Self { deaths: 0, window: Duration::from_secs(600) }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_workers: 1,
            max_workers: 1,
            queue: 1024,
            queue_bytes: usize::MAX,
            grace: Duration::from_secs(1),
            stop_timeout: Duration::from_secs(5),
            backoff: Backoff::default(),
            lazy: false,
            breaker: Breaker::default(),
            poison: Poison::default(),
            client_deaths: ClientDeaths::default(),
            retry_out_of_memory: false,
            recycling: Recycling::default(),
            process_per_job: false,
            ahead: 0,
            spares: 0,
            idle_timeout: None,
        }
    }
}

impl Config {
    /// Checks whether a pool can live by these settings.
    ///
    /// # Errors
    /// The first setting that makes no sense.
    pub const fn validate(&self) -> Result<(), ConfigError> {
        let Self { min_workers: min, max_workers: max, .. } = *self;
        if max == 0 {
            Err(ConfigError::NoWorkers)
        } else if min > max {
            Err(ConfigError::MinAboveMax { min, max })
        } else {
            Ok(())
        }
    }
}

/// Why a [`Config`] makes no pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// `max_workers` is 0: no job could ever run.
    NoWorkers,
    /// `min_workers` is larger than `max_workers`.
    MinAboveMax {
        /// `min_workers` as given.
        min: usize,
        /// `max_workers` as given.
        max: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWorkers => f.write_str("max_workers is 0: a pool needs at least one worker"),
            Self::MinAboveMax { min, max } => {
                write!(
                    f,
                    "min_workers ({min}) is above max_workers ({max}): lower the one or raise the other"
                )
            }
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn a_pool_without_workers_is_refused() {
        let config = Config { min_workers: 0, max_workers: 0, ..Config::default() };
        assert_eq!(config.validate(), Err(ConfigError::NoWorkers));
    }

    #[test]
    fn a_minimum_above_the_maximum_is_refused_by_name() {
        let error = Config { min_workers: 3, max_workers: 2, ..Config::default() }.validate().unwrap_err();
        assert_eq!(error, ConfigError::MinAboveMax { min: 3, max: 2 });
        assert!(error.to_string().contains("min_workers (3)"), "{error}");
    }
}
