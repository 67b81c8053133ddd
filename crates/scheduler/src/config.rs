//! The settings of a pool. [`Settings`] are those that may change after its start. Does not: count the machine's CPUs; the caller does.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::Backoff;

/// The settings of one pool. [`Scheduler::new`](crate::Scheduler::new) checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Minimum number of workers that the pool keeps without jobs. Default: 1.
    pub min_workers: usize,
    /// Maximum number of workers in service, plus one during a replacement. At most the same number
    /// may be retiring in addition. Default: 1.
    pub max_workers: usize,
    /// Maximum number of jobs that may wait. A job whose worker died before the job was handed over
    /// waits again. So up to `max_workers` + 1 further jobs can wait.
    ///
    /// Jobs whose payloads have killed workers wait aside for a worker that has run no job. Their
    /// maximum is the same, but at least 1. Default: 1024.
    pub queue: usize,
    /// Maximum total number of bytes of waiting payloads. The pool refuses a job beyond it unless
    /// no other job waits. Jobs that a worker holds do not count. A job whose worker died before
    /// the handover waits again regardless.
    ///
    /// Jobs whose payloads have killed workers count separately, with the same maximum. Default: no
    /// maximum.
    pub queue_bytes: usize,
    /// Time between the request to give up a job and SIGKILL. Default: 1 s.
    pub grace: Duration,
    /// Time between the request to exit and SIGKILL. Default: 5 s.
    pub stop_timeout: Duration,
    /// Pauses between starts while workers die before they have done anything.
    pub backoff: Backoff,
    /// Starts no worker before the first job. From then on `min_workers` applies. Default: `false`.
    pub lazy: bool,
    /// When repeated deaths of workers make the pool refuse jobs.
    pub breaker: Breaker,
    /// When a payload that repeatedly kills workers is no longer run.
    pub poison: Poison,
    /// When the pool refuses a client whose jobs repeatedly kill workers.
    pub client_deaths: ClientDeaths,
    /// Whether a job whose worker reached its memory limit may be retried like any other job.
    /// Default: `false`.
    pub retry_out_of_memory: bool,
    /// When the pool replaces a working worker.
    pub recycling: Recycling,
    /// Runs each job in a new process: the pool asks a worker to exit after its first job. Default:
    /// `false`.
    pub process_per_job: bool,
    /// Maximum number of jobs that the pool sends to a busy worker ahead of their turn, as long as
    /// jobs are short and small. `0` disables it.
    pub ahead: usize,
    /// Number of idle, ready workers that the pool keeps in addition to the busy ones, within
    /// `max_workers`. Default: 0.
    pub spares: usize,
    /// Refuses a job that cannot end before its deadline, as far as the run times of earlier jobs tell, and gives back
    /// a waiting one that no longer can. Default: `false`.
    pub admission: bool,
    /// Time without a job after which an idle worker exits, down to `min_workers`. Default: never.
    pub idle_timeout: Option<Duration>,
}

/// The settings of a pool that may change while it runs, beside the number of its workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// See [`Config::queue`].
    pub queue: usize,
    /// See [`Config::queue_bytes`].
    pub queue_bytes: usize,
    /// See [`Config::spares`].
    pub spares: usize,
    /// See [`Config::idle_timeout`].
    pub idle_timeout: Option<Duration>,
    /// See [`Config::grace`].
    pub grace: Duration,
    /// See [`Config::stop_timeout`].
    pub stop_timeout: Duration,
    /// See [`Config::admission`].
    pub admission: bool,
}

/// A circuit breaker for worker starts. Workers that fail together count as one failure. Only
/// deaths before the first finished job count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Number of failures within `window` that open the breaker. Default: 5.
    pub failures: usize,
    /// Time within which the failures count. Default: 10 s. A worker on trial closes the breaker
    /// when it has lived this long, or when it finishes its first job.
    pub window: Duration,
}

/// The quarantine for payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poison {
    /// Number of deaths caused by a payload after which it is no longer run. At least one of these
    /// workers must have had it as its first job. Otherwise twice the number is required. `0`
    /// disables it. Default: 3.
    pub deaths: u32,
    /// Time after which the pool forgets a death. Default: 10 min.
    pub memory: Duration,
}

/// The limit for workers killed by the jobs of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientDeaths {
    /// Number of deaths caused by its jobs after which the pool refuses a client until the window
    /// ends. With `0` the pool only counts deaths. Default: 0.
    pub deaths: u32,
    /// Length of the window, which begins with a client's first death. Default: 10 min.
    pub window: Duration,
}

/// Limits after which the pool replaces a worker, between jobs and one at a time. Each worker's own
/// limit is up to a tenth lower, so that workers started together do not retire together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recycling {
    /// Maximum number of jobs per worker. Default: `None`.
    pub jobs: Option<NonZeroU64>,
    /// Maximum time since the worker became ready. Default: `None`.
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
            admission: false,
            idle_timeout: None,
        }
    }
}

impl Config {
    /// Returns the settings that may change while the pool runs.
    #[must_use]
    pub const fn settings(&self) -> Settings {
        let Self { queue, queue_bytes, spares, idle_timeout, grace, stop_timeout, admission, .. } = *self;
        Settings { queue, queue_bytes, spares, idle_timeout, grace, stop_timeout, admission }
    }

    /// Applies other settings.
    pub const fn apply(&mut self, settings: Settings) {
        let Settings { queue, queue_bytes, spares, idle_timeout, grace, stop_timeout, admission } = settings;
        self.admission = admission;
        (self.queue, self.queue_bytes, self.spares) = (queue, queue_bytes, spares);
        (self.idle_timeout, self.grace, self.stop_timeout) = (idle_timeout, grace, stop_timeout);
    }

    /// Checks that the settings are consistent.
    ///
    /// # Errors
    /// Returns the first setting that is invalid.
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

/// Why a [`Config`] is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// `max_workers` is 0, so no job could ever run.
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
