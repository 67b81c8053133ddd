//! What a pool is told once, at its birth. Refuses to know the machine: how many CPUs there are is the caller's.

use std::fmt;
use std::time::Duration;

use crate::Backoff;

/// The settings of one pool; checked by [`Scheduler::new`](crate::Scheduler::new).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Workers kept even when there is nothing to do. Default: 1.
    pub min_workers: usize,
    /// Workers in service at most; those that retire come on top, at most as many again. Default: 1.
    pub max_workers: usize,
    /// Jobs that may wait. A job whose worker died before the job was handed over waits again, so up to
    /// `max_workers` more can be waiting. Default: 1024.
    pub queue: usize,
    /// Between asking a worker to give up a job and SIGKILL. Default: 1 s.
    pub grace: Duration,
    /// Between asking a worker to exit and SIGKILL. Default: 5 s.
    pub stop_timeout: Duration,
    /// Pauses between starts while workers die before they did anything.
    pub backoff: Backoff,
    /// No worker until the first job; from then on `min_workers` counts. Default: false.
    pub lazy: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_workers: 1,
            max_workers: 1,
            queue: 1024,
            grace: Duration::from_secs(1),
            stop_timeout: Duration::from_secs(5),
            backoff: Backoff::default(),
            lazy: false,
        }
    }
}

impl Config {
    /// Whether a pool can live by these settings.
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
    /// More workers are to be kept than are allowed.
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
