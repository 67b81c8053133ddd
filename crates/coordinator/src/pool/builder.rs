//! [`PoolBuilder`]: what a pool shall be. Its methods are named like the keys of the configuration file.

use super::{Pool, PoolConfig, PoolError, RawPool, WorkerRange};
use crate::limits::PoolLimits;
use crate::regions;
use procpool_process::Executable;
#[cfg(doc)]
use procpool_process::WorkerLimits;
use procpool_process::{AttachSocket, Contract, Needs, WorkerData};
use procpool_protocol::{Job, PayloadError};
use serde::Serialize;
use std::ffi::OsString;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

/// Describes a pool; [`start`](Self::start) makes it. See [`PoolLimits`] for the defaults.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct PoolBuilder<J> {
    config: PoolConfig,
    worker_data: Option<PayloadError>,
    job: PhantomData<fn() -> J>,
}

macro_rules! limit {
    ($(#[$doc:meta])* worker.$name:ident: $type:ty, $value:ident => $stored:expr) => {
        $(#[$doc])*
        pub fn $name(mut self, $value: $type) -> Self {
            self.config.limits.worker.$name = $stored;
            self
        }
    };
    ($(#[$doc:meta])* supervision.$name:ident: $type:ty, $value:ident => $stored:expr) => {
        $(#[$doc])*
        pub fn $name(mut self, $value: $type) -> Self {
            self.config.limits.supervision.$name = $stored;
            self
        }
    };
    ($(#[$doc:meta])* $name:ident: $type:ty, $value:ident => $stored:expr) => {
        $(#[$doc])*
        pub fn $name(mut self, $value: $type) -> Self {
            self.config.limits.$name = $stored;
            self
        }
    };
}

impl<J: Job> PoolBuilder<J> {
    pub(crate) fn new(executable: Executable) -> Self {
        Self::of(PoolConfig::new(J::NAME, executable))
    }

    pub(crate) fn attached(socket: AttachSocket) -> Self {
        Self::of(PoolConfig::attached(J::NAME, socket))
    }

    fn of(config: PoolConfig) -> Self {
        let limits = PoolLimits { idempotent: Some(J::IDEMPOTENT), ..PoolLimits::default() };
        let (expects, needs) = (Some(Contract::of::<J>()), Some(Needs::of::<J>()));
        let config = PoolConfig { limits, expects, needs, ..config };
        Self { config, worker_data: None, job: PhantomData }
    }

    /// The pool's name in logs and reports. Default: the job's.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Minimum and maximum number of workers: `4`, or `1..=4`. Default: 1 to the number of processors
    /// that this process may use.
    pub fn workers(mut self, workers: impl Into<WorkerRange>) -> Self {
        let workers = workers.into();
        self.config.limits.min_workers = workers.min();
        self.config.limits.max_workers = workers.max();
        self
    }

    limit! {
        /// Most jobs that may wait for a worker. Default: 1024.
        queue: usize, jobs => jobs
    }
    limit! {
        /// Maximum size of all inputs that wait for a worker together, in bytes. Default: 256 MiB. One that waits alone may have
        /// any size.
        queue_bytes: usize, bytes => bytes
    }
    limit! {
        /// Bounds queue and run of a job together. Default: 30 s.
        timeout: Duration, timeout => Some(timeout)
    }
    limit! {
        /// Bounds the run of a job alone. Default: none.
        run_timeout: Duration, timeout => Some(timeout)
    }
    limit! {
        /// The longest timeout that a job may ask for; `Duration::MAX` for any. Default: 10 min, or `timeout` if that is longer or
        /// none.
        max_timeout: Duration, timeout => Some(timeout)
    }
    limit! {
        /// From asking a job to stop to killing its worker. Default: 100 ms.
        grace: Duration, grace => grace
    }
    limit! {
        /// From asking an idle worker to exit to killing it. Default: 2 s.
        stop_timeout: Duration, timeout => timeout
    }
    limit! {
        /// Bounds each step of starting a worker. Default: 30 s.
        start_timeout: Duration, timeout => timeout
    }
    limit! {
        /// Largest encoded input or output, in bytes. Default: 64 MiB.
        max_payload: u32, bytes => bytes
    }
    limit! {
        /// Most times that an idempotent job is handed to a worker. Default: 1.
        max_attempts: u32, attempts => attempts
    }
    limit! {
        /// Whether jobs may be handed out again after a worker died with them. Default: the job's word.
        idempotent: bool, idempotent => Some(idempotent)
    }
    limit! {
        /// Most address space of one worker, in bytes; at least 16 MiB. Default: none.
        worker.memory_limit: u64, bytes => Some(bytes)
    }
    limit! {
        /// Time on a processor that a job may use, in whole seconds; see [`WorkerLimits::cpu_limit`]. Default: none.
        worker.cpu_limit: Duration, time => Some(time)
    }
    limit! {
        /// Most file descriptors that one worker has open. Default: the coordinator's own limit.
        worker.open_files_limit: u64, files => Some(files)
    }
    limit! {
        /// Most processes and threads of one worker; see [`WorkerLimits::process_limit`]. Default: none.
        worker.process_limit: u64, tasks => Some(tasks)
    }
    limit! {
        /// Largest file that a worker writes, in bytes. Default: none.
        worker.file_size_limit: u64, bytes => Some(bytes)
    }
    limit! {
        /// Added to the coordinator's nice level, -20 to 19: above zero, workers give way. Default: 0.
        worker.nice: i32, levels => levels
    }

    limit! {
        /// Most failed jobs that are kept as files, where they are saved at all. Default: 100.
        saved_jobs: usize, jobs => jobs
    }
    limit! {
        /// Number of jobs that are kept in the file of a failed one, which its worker was given before: a crash may be of what
        /// one of them had left behind. At most 1000, and 4 MiB of inputs a worker. Default: 0.
        save_history: usize, jobs => jobs
    }

    limit! {
        /// So many failed starts within `breaker_window` open the breaker; 0: never. Default: 5.
        supervision.breaker_failures: usize, failures => failures
    }
    limit! {
        /// See `breaker_failures`. Default: 10 s.
        supervision.breaker_window: Duration, window => window
    }
    limit! {
        /// So many workers killed, and a payload is not run for `poison_window`; 0: never. Default: `max_attempts` where that
        /// is above 1, else 3.
        supervision.poison_deaths: u32, deaths => Some(deaths)
    }
    limit! {
        /// How long a death is held against its payload. Default: 10 min.
        supervision.poison_window: Duration, window => window
    }
    limit! {
        /// Number of workers that jobs of one [client](crate::JobRequest::client) may kill within `poison_window`; then they are
        /// refused until that ends. 0: they are only counted. Default: 0.
        supervision.client_deaths: u32, deaths => deaths
    }
    limit! {
        /// Whether a job whose worker ran into its memory limit is tried again like any other. Default: false.
        supervision.retry_out_of_memory: bool, retry => retry
    }
    limit! {
        /// Jobs after which a worker is replaced, the replacement first. Default: none.
        supervision.recycle_jobs: u64, jobs => Some(jobs)
    }
    limit! {
        /// Time after which a worker is replaced, the replacement first. Default: none.
        supervision.recycle_lifetime: Duration, lifetime => Some(lifetime)
    }
    limit! {
        /// Resident memory, in bytes, above which a worker is replaced between two jobs. Default: none.
        supervision.recycle_memory: u64, bytes => Some(bytes)
    }
    limit! {
        /// A new process for every job. Default: false.
        supervision.process_per_job: bool, fresh => fresh
    }
    limit! {
        /// Workers kept idle and ready beside those that are busy. Default: 0.
        supervision.spares: usize, workers => workers
    }
    limit! {
        /// A worker that no job has needed for so long exits, down to the fewest. Default: 60 s.
        supervision.idle_timeout: Duration, timeout => Some(timeout)
    }

    /// Says that one worker is started, at once, and no other after it.
    pub(crate) fn starts_once(mut self) -> Self {
        self.config.starts_once = true;
        self
    }

    /// Lets jobs run and wait as long as they like.
    pub fn no_timeout(mut self) -> Self {
        self.config.limits.timeout = None;
        self
    }

    /// Lets the workers inherit these environment variables too, where they are set.
    pub fn inherit_env(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.config.inherit_env.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable of the workers, which inherit only a few.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.config.env.push((key.into(), value.into()));
        self
    }

    /// The directory that the workers start in. Default: the coordinator's.
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.current_dir = Some(dir.into());
        self
    }

    /// Keeps jobs that crashed, panicked, broke the protocol or timed out while they ran as files in `dir`, to be
    /// run again with `procpool replay`. See [`PoolConfig::save_failed_jobs`]. Default: keeps none.
    pub fn save_failed_jobs(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.save_failed_jobs = Some(dir.into());
        self
    }

    /// What each worker is given at its start, in the job's encoding. Up to 1 MiB of it are also kept as JSON, for workers
    /// that read no bincode.
    pub fn worker_data<T: Serialize + 'static>(mut self, data: &T) -> Self {
        match WorkerData::encode(J::ENCODING, |encoding| regions::encode(data, encoding)) {
            Ok(data) => self.config.worker_data = data,
            Err(error) => self.worker_data = Some(error),
        }
        self
    }

    /// Starts the pool and waits until one worker is ready. Needs a tokio runtime with time and I/O.
    ///
    /// # Errors
    /// When the limits contradict each other, the executable cannot be used, or the first worker does
    /// not come up: then with the report of its death.
    pub async fn start(self) -> Result<Pool<J>, PoolError> {
        Ok(Pool::assume(RawPool::start(self.checked()?).await?))
    }

    /// Starts the pool without a worker; the first one is started for the first job.
    ///
    /// # Errors
    /// When the limits contradict each other or the executable cannot be used.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start_lazy(self) -> Result<Pool<J>, PoolError> {
        Ok(Pool::assume(RawPool::start_lazy(self.checked()?)?))
    }

    fn checked(self) -> Result<PoolConfig, PoolError> {
        match self.worker_data {
            None => Ok(self.config),
            Some(reason) => Err(PoolError::WorkerData { pool: self.config.name, reason }),
        }
    }
}
