//! The limits of a pool, their defaults, and the checks that make them consistent.
//!
//! Field names are the keys of the configuration file and the methods of the builders.

use crate::invalid::{InvalidLimits, MAX_WORKERS};
use crate::job_times::JobTimes;
use crate::sharing;
use crate::supervision::Supervision;
use procpool_process::WorkerLimits;
use procpool_protocol::engine::PoolSettings;
use procpool_protocol::limits::DEFAULT_MAX_PAYLOAD;
use procpool_protocol::recording::MAX_HISTORY;
use procpool_scheduler as scheduler;
use std::sync::OnceLock;
use std::time::Duration;

/// Limits of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolLimits {
    /// Minimum number of workers that the pool keeps. Default: 1.
    pub min_workers: usize,
    /// Maximum number of workers that the pool starts. Default: the processors that this process may use, by
    /// its affinity and its cgroup's quota.
    pub max_workers: usize,
    /// Maximum number of jobs that may wait for a worker. Default: 1024.
    pub queue: usize,
    /// Maximum size of all inputs that wait for a worker together, in bytes. Default: 256 MiB. An input of
    /// any size up to [`max_payload`](Self::max_payload) may wait alone. Inputs of jobs that a worker holds
    /// do not count.
    pub queue_bytes: usize,
    /// Bounds the time in queue and the run of a job together, unless the job sets its own timeout. `None`:
    /// no bound. Default: 30 s.
    pub timeout: Option<Duration>,
    /// Bounds the run of a job alone, unless the job sets its own. Default: `None`.
    pub run_timeout: Option<Duration>,
    /// Maximum `timeout` or `run_timeout` that a job may ask for. Longer ones are cut to it, and it applies
    /// to jobs without any. Default: `None`, which means 10 min, or [`timeout`](Self::timeout) if that is
    /// longer or `None`. [`Duration::MAX`] lifts the bound.
    pub max_timeout: Option<Duration>,
    /// Whether the pool refuses a job that would not end before its deadline, as far as the run times of earlier jobs
    /// tell. A waiting job that no longer can is given back at its turn if others wait. Default: true.
    pub admission: bool,
    /// Time from asking a job to stop to killing its worker. Default: 100 ms.
    pub grace: Duration,
    /// Whether the pool takes the stack of a worker when the time of its job is up. The outcome of the job then waits
    /// for the stack, at most 240 ms. Default: false.
    pub stack_at_deadline: bool,
    /// Time from asking an idle worker to exit to killing it. Default: 2 s.
    pub stop_timeout: Duration,
    /// Bounds each step of starting a worker, loading its state among them. Default: 30 s.
    pub start_timeout: Duration,
    /// Maximum length of an encoded input or output, in bytes. Default: 64 MiB.
    pub max_payload: u32,
    /// Maximum number of attempts: how often a job is handed to a worker. Above 1 only where jobs may be
    /// repeated. Default: 1.
    pub max_attempts: u32,
    /// Whether a job may be handed out again after a worker died with it. Default: the value of the job's
    /// contract, or `false` where no contract is known.
    pub idempotent: Option<bool>,
    /// Maximum number of failed jobs that are kept as files, where they are saved at all. A new file replaces
    /// the oldest. Default: 100.
    pub saved_jobs: usize,
    /// Number of jobs that are kept in the file of a failed one: those that its worker was given before. At
    /// most 1000, and 4 MiB of inputs for each worker, which stay in memory. Needs `save_failed_jobs`.
    /// Default: 0.
    pub save_history: usize,
    /// Resource limits of each worker process.
    pub worker: WorkerLimits,
    /// Settings for workers that fail, wear out or idle.
    pub supervision: Supervision,
}

/// Maximum number of jobs that a worker has ahead while jobs are small. More would not make a batch cheaper,
/// and all of them wait for a wake-up more if the one before them turns out long.
const AHEAD: usize = 64;

/// Processors that this process may use. Asked once: the answer is in half a dozen files of `/proc` and `/sys`, and every
/// `run_once` needs it.
fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            min_workers: 1,
            max_workers: processors(),
            queue: 1024,
            queue_bytes: 256 << 20,
            timeout: Some(Duration::from_secs(30)),
            run_timeout: None,
            max_timeout: None,
            admission: true,
            grace: Duration::from_millis(100),
            stack_at_deadline: false,
            stop_timeout: Duration::from_secs(2),
            start_timeout: Duration::from_secs(30),
            max_payload: DEFAULT_MAX_PAYLOAD,
            max_attempts: 1,
            idempotent: None,
            saved_jobs: 100,
            save_history: 0,
            worker: WorkerLimits::default(),
            supervision: Supervision::default(),
        }
    }
}

impl PoolLimits {
    /// Checks what the types cannot express.
    ///
    /// # Errors
    /// [`InvalidLimits`] names the key.
    pub fn check(&self) -> Result<(), InvalidLimits> {
        if self.max_workers == 0 || self.min_workers > self.max_workers {
            return Err(InvalidLimits::Workers { min: self.min_workers, max: self.max_workers });
        }
        if self.max_workers > MAX_WORKERS {
            return Err(InvalidLimits::TooManyWorkers { max: self.max_workers });
        }
        let durations = [
            ("timeout", self.timeout),
            ("run_timeout", self.run_timeout),
            ("max_timeout", self.max_timeout),
            ("stop_timeout", Some(self.stop_timeout)),
            ("start_timeout", Some(self.start_timeout)),
        ];
        if let Some((key, _)) = durations.iter().find(|(_, value)| *value == Some(Duration::ZERO)) {
            return Err(InvalidLimits::Zero { key });
        }
        if self.max_payload == 0 {
            return Err(InvalidLimits::NoPayload);
        }
        if self.queue_bytes == 0 {
            return Err(InvalidLimits::NoQueueBytes);
        }
        if self.saved_jobs == 0 {
            return Err(InvalidLimits::NoSavedJobs);
        }
        if self.save_history > MAX_HISTORY {
            return Err(InvalidLimits::History { jobs: self.save_history });
        }
        if self.max_attempts == 0 || (self.max_attempts > 1 && self.idempotent != Some(true)) {
            return Err(InvalidLimits::Attempts { attempts: self.max_attempts });
        }
        self.supervision.check()?;
        Ok(self.worker.check()?)
    }

    /// Returns the maximum timeout that a job may ask for, or `None` if there is no maximum.
    pub fn longest_timeout(&self) -> Option<Duration> {
        self.times().longest()
    }

    /// Returns the bounds on the times of its jobs.
    pub(crate) fn times(&self) -> JobTimes {
        JobTimes { timeout: self.timeout, run_timeout: self.run_timeout, max: self.max_timeout }
    }

    /// Returns the settings that may change while the pool runs.
    pub fn settings(&self) -> PoolSettings {
        let mut settings = PoolSettings::default();
        (settings.min_workers, settings.max_workers) = (self.min_workers, self.max_workers);
        (settings.queue, settings.queue_bytes) = (self.queue, self.queue_bytes);
        settings.spares = self.supervision.spares;
        settings.idle_timeout = self.supervision.idle_timeout;
        (settings.timeout, settings.run_timeout) = (self.timeout, self.run_timeout);
        (settings.max_timeout, settings.admission) = (self.max_timeout, self.admission);
        (settings.grace, settings.stop_timeout) = (self.grace, self.stop_timeout);
        settings
    }

    /// Replaces the settings that may change while the pool runs.
    pub fn apply(&mut self, settings: &PoolSettings) {
        (self.min_workers, self.max_workers) = (settings.min_workers, settings.max_workers);
        (self.queue, self.queue_bytes) = (settings.queue, settings.queue_bytes);
        self.supervision.spares = settings.spares;
        self.supervision.idle_timeout = settings.idle_timeout;
        (self.timeout, self.run_timeout) = (settings.timeout, settings.run_timeout);
        (self.max_timeout, self.admission) = (settings.max_timeout, settings.admission);
        (self.grace, self.stop_timeout) = (settings.grace, settings.stop_timeout);
    }

    /// Returns the maximum length of a payload that goes through shared memory, in bytes, or 0 if none does.
    pub(crate) fn shares(&self) -> usize {
        // A process that runs one job has no use for what takes a job to agree on.
        if self.supervision.process_per_job {
            return 0;
        }
        sharing::most(self.max_payload, self.worker.least_memory())
    }

    pub(crate) fn of_scheduler(&self, lazy: bool) -> scheduler::Config {
        let plain = scheduler::Config {
            min_workers: self.min_workers,
            max_workers: self.max_workers,
            queue: self.queue,
            queue_bytes: self.queue_bytes,
            grace: self.grace,
            stop_timeout: self.stop_timeout,
            admission: self.admission,
            lazy,
            ahead: AHEAD,
            ..scheduler::Config::default()
        };
        self.supervision.of_scheduler(self.max_attempts, plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_refused_by_name() {
        let check = |change: fn(&mut PoolLimits)| {
            let mut limits = PoolLimits::default();
            change(&mut limits);
            limits.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(|_| {}), Ok(()));
        assert!(check(|limits| limits.max_workers = 99_999).unwrap_err().contains("4096 is the limit"));
        assert!(
            check(|limits| limits.min_workers = limits.max_workers + 1).unwrap_err().contains("min_workers")
        );
        assert!(
            check(|limits| limits.timeout = Some(Duration::ZERO)).unwrap_err().contains("timeout is zero")
        );
        assert!(check(|limits| limits.queue_bytes = 0).unwrap_err().contains("queue = 0"));
        assert!(check(|limits| limits.saved_jobs = 0).unwrap_err().contains("leave save_failed_jobs out"));
        assert_eq!(
            check(|limits| limits.save_history = 1001).unwrap_err(),
            "save_history is 1001; 1000 is the limit"
        );
        assert!(check(|limits| limits.max_attempts = 2).unwrap_err().contains("idempotent"));
    }
}
