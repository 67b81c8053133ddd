//! [`PoolBuilder`]: the settings of a pool before its start. Its methods are named like the keys of the
//! configuration file.

use super::{Pool, PoolConfig, PoolError, RawPool, WorkerRange, own_runtime};
use crate::limits::PoolLimits;
use crate::setters::worker_setters;
use crate::start_data::StartData;
use procpool_process::{AttachSocket, Contract, Executable, Needs, WorkerLimits};
use procpool_protocol::Job;
use serde::Serialize;
use std::ffi::OsString;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Handle;

/// Describes a pool. [`start`](Self::start) starts it. See [`PoolLimits`] for the defaults. The order of
/// calls does not matter. If a method is called several times, the last call counts; calls of `env` and
/// `inherit_env` add up.
///
/// ```no_run
/// # use procpool_coordinator::{Executable, Pool};
/// # use std::time::Duration;
/// # procpool_protocol::job!(Fib, "fib", u64 => u64);
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::<Fib>::builder(Executable::find("procpool-fib")?)
///     .workers(1..=8)
///     .queue(100)
///     .timeout(Duration::from_secs(5))
///     .memory_limit(512 << 20)
///     .start()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct PoolBuilder<J> {
    pub(super) config: PoolConfig,
    worker_data: StartData,
    runtime: Option<Handle>,
    job: PhantomData<fn() -> J>,
}

macro_rules! limit {
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
        Self { config, worker_data: StartData::default(), runtime: None, job: PhantomData }
    }

    worker_setters! {
        limits: config.limits.worker, inherit_env: config.inherit_env, env: config.env, current_dir: config.current_dir
    }

    /// Sets the pool's name in logs and reports. Default: the job's.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Sets the minimum and maximum number of workers: `4`, or `1..=4`. Default: 1 to the number of
    /// processors that this process may use.
    pub fn workers(mut self, workers: impl Into<WorkerRange>) -> Self {
        let workers = workers.into();
        self.config.limits.min_workers = workers.min();
        self.config.limits.max_workers = workers.max();
        self
    }

    limit! {
        /// Sets the maximum number of jobs that may wait for a worker. Default: 1024.
        queue: usize, jobs => jobs
    }
    limit! {
        /// Sets the maximum size of all inputs together that wait for a worker, in bytes. An input that waits
        /// alone may have any size. Default: 256 MiB.
        queue_bytes: usize, bytes => bytes
    }
    limit! {
        /// Bounds the time in queue and the run of a job together. `None`: no bound. Default: 30 s.
        timeout: impl Into<Option<Duration>>, timeout => timeout.into()
    }
    limit! {
        /// Bounds the run of a job alone. Default: `None`.
        run_timeout: impl Into<Option<Duration>>, timeout => timeout.into()
    }
    limit! {
        /// Sets the maximum timeout that a job may ask for. [`Duration::MAX`] lifts the bound. Default: 10
        /// min, or `timeout` if that is longer or `None`.
        max_timeout: Duration, timeout => Some(timeout)
    }
    limit! {
        /// Sets the time from asking a job to stop to killing its worker. Default: 100 ms.
        grace: Duration, grace => grace
    }
    limit! {
        /// Takes the stack of a worker before it is killed for its job's timeout. The outcome waits for the stack, at
        /// most 500 ms. Default: false.
        stack_at_deadline: bool, takes => takes
    }
    limit! {
        /// Sets the time from asking an idle worker to exit to killing it. Default: 2 s.
        stop_timeout: Duration, timeout => timeout
    }
    limit! {
        /// Bounds each step of starting a worker. Default: 30 s.
        start_timeout: Duration, timeout => timeout
    }
    limit! {
        /// Sets the maximum length of an encoded input or output, in bytes. Default: 64 MiB.
        max_payload: u32, bytes => bytes
    }
    limit! {
        /// Sets the maximum number of times that an idempotent job is handed to a worker. Default: 1.
        max_attempts: u32, attempts => attempts
    }
    limit! {
        /// Sets whether jobs may be handed out again after a worker died with them. Default: the value of the
        /// job type.
        idempotent: bool, idempotent => Some(idempotent)
    }
    limit! {
        /// Sets the maximum number of failed jobs that are kept as files, where they are saved at all.
        /// Default: 100.
        saved_jobs: usize, jobs => jobs
    }
    limit! {
        /// Sets the number of jobs that are kept in the file of a failed one. These are the jobs that its
        /// worker was given before, since one of them may have caused the crash. At most 1000, and 4 MiB of
        /// inputs for each worker. Default: 0.
        save_history: usize, jobs => jobs
    }

    limit! {
        /// Sets the number of failed starts within `breaker_window` that open the breaker. `0` disables it.
        /// Default: 5.
        supervision.breaker_failures: usize, failures => failures
    }
    limit! {
        /// Sets the time in which failed starts are counted; see `breaker_failures`. Default: 10 s.
        supervision.breaker_window: Duration, window => window
    }
    limit! {
        /// Sets the number of workers that a payload may kill before it is rejected for `poison_window`. `0`
        /// disables it. Default: `max_attempts` where that is above 1, else 3.
        supervision.poison_deaths: u32, deaths => Some(deaths)
    }
    limit! {
        /// Sets the time for which a death counts against its payload. Default: 10 min.
        supervision.poison_window: Duration, window => window
    }
    limit! {
        /// Sets the number of workers that jobs of one [client](crate::JobRequest::client) may kill within
        /// `poison_window`. Beyond it, the pool refuses the client's jobs until that time ends. `0`: they are
        /// only counted. Default: 0.
        supervision.client_deaths: u32, deaths => deaths
    }
    limit! {
        /// Sets whether a job whose worker ran into its memory limit is tried again like any other. Default:
        /// false.
        supervision.retry_out_of_memory: bool, retry => retry
    }
    limit! {
        /// Sets the number of jobs after which a worker is replaced. Its replacement starts first. Default:
        /// `None`.
        supervision.recycle_jobs: impl Into<Option<u64>>, jobs => jobs.into()
    }
    limit! {
        /// Sets the time after which a worker is replaced. Its replacement starts first. Default: `None`.
        supervision.recycle_lifetime: impl Into<Option<Duration>>, lifetime => lifetime.into()
    }
    limit! {
        /// Sets the resident memory, in bytes, above which a worker is replaced between two jobs. Default:
        /// `None`.
        supervision.recycle_memory: impl Into<Option<u64>>, bytes => bytes.into()
    }
    limit! {
        /// Sets whether each job gets a new process. Default: false.
        supervision.process_per_job: bool, fresh => fresh
    }
    limit! {
        /// Sets whether workers are forked from a process that has loaded their state. A start then costs a fork, and
        /// memory is shared. The executable must have one thread when its state is loaded. Default: false.
        supervision.fork: bool, forks => forks
    }
    limit! {
        /// Sets whether jobs are refused that would not end before their deadlines; see
        /// [`PoolLimits::admission`]. Default: true.
        admission: bool, refuses => refuses
    }
    limit! {
        /// Sets the number of workers that are kept idle and ready beside those that are busy. Default: 0.
        supervision.spares: usize, workers => workers
    }
    limit! {
        /// Sets the time after which a worker that no job has needed exits, down to the minimum. `None` keeps
        /// it for ever. Default: 60 s.
        supervision.idle_timeout: impl Into<Option<Duration>>, timeout => timeout.into()
    }

    /// Starts one worker, at once, and no other after it.
    pub(crate) fn starts_once(mut self) -> Self {
        self.config.starts_once = true;
        self
    }

    /// Removes all time limits: jobs may wait and run for any time.
    pub fn no_timeout(mut self) -> Self {
        self.config.limits.timeout = None;
        self
    }

    /// Keeps jobs that crashed, panicked, broke the protocol or timed out while they ran as files in `dir`, to be
    /// run again with `procpool replay`. See [`PoolConfig::save_failed_jobs`]. Default: keeps none.
    pub fn save_failed_jobs(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.save_failed_jobs = Some(dir.into());
        self
    }

    /// Sets the data that each worker receives at its start. It is encoded in the job's encoding when the
    /// pool starts. Up to 1 MiB of bincode are also kept as JSON, for workers that read no bincode.
    ///
    /// ```no_run
    /// # use procpool_coordinator::{Executable, Pool};
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// // The worker reads it as `startup.worker_data::<String>()`.
    /// let builder = Pool::<Fib>::builder(Executable::find("procpool-fib")?).worker_data("/srv/model");
    /// # Ok(())
    /// # }
    /// ```
    pub fn worker_data<T: Serialize + Send + 'static>(mut self, data: T) -> Self {
        self.worker_data = StartData::of(data);
        self
    }

    /// Runs the pool on this runtime, which needs time and I/O. Default: the runtime on which it is started,
    /// or one of its own with [`start_blocking`](Self::start_blocking).
    ///
    /// Some thread has to drive the runtime. Both [`start`](Self::start) and `start_blocking` wait for ever for a
    /// current-thread runtime that nobody blocks on.
    pub fn on(mut self, runtime: &Handle) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// Starts the pool and waits until one worker is ready. Needs a tokio runtime with time and I/O, on which the pool lives;
    /// the pool ends with it.
    ///
    /// # Errors
    /// When the limits contradict each other, the executable cannot be used, or the first worker does not get
    /// ready. In the last case the error has the report of its death.
    pub async fn start(self) -> Result<Pool<J>, PoolError> {
        let runtime = self.runtime.clone();
        let config = self.config()?;
        Ok(Pool::assume(match runtime {
            Some(runtime) => own_runtime::start_on(&runtime, config).await?,
            None => RawPool::start(config).await?,
        }))
    }

    /// Starts the pool on a thread and a runtime of its own, which end with the pool, and blocks until one
    /// worker is ready. This is for a pool in a `static`, above all in tests, and for programs without a
    /// runtime. Its jobs may be awaited anywhere. With [`on`](Self::on), the pool lives on that runtime instead, whose
    /// only thread must not be the caller.
    ///
    /// ```no_run
    /// # use procpool_coordinator::{Executable, Pool};
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// use std::sync::LazyLock;
    ///
    /// static POOL: LazyLock<Pool<Fib>> =
    ///     LazyLock::new(|| Pool::builder(Executable::this_test("worker")).start_blocking().expect("a pool"));
    /// ```
    ///
    /// # Errors
    /// As [`start`](Self::start), and when the system gives no thread.
    pub fn start_blocking(self) -> Result<Pool<J>, PoolError> {
        let runtime = self.runtime.clone();
        let config = self.config()?;
        Ok(Pool::assume(match runtime {
            Some(runtime) => own_runtime::start_on_blocking(&runtime, config)?,
            None => own_runtime::start(config)?,
        }))
    }

    /// Starts the pool without a worker. The pool starts the first worker for the first job.
    ///
    /// # Errors
    /// When the limits contradict each other or the executable cannot be used.
    ///
    /// # Panics
    /// Outside of a tokio runtime, unless it was given one with [`on`](Self::on).
    pub fn start_lazy(self) -> Result<Pool<J>, PoolError> {
        let runtime = self.runtime.clone();
        let _inside = runtime.as_ref().map(Handle::enter);
        Ok(Pool::assume(RawPool::start_lazy(self.config()?)?))
    }

    /// Returns the configuration, for a [`Coordinator`](crate::Coordinator) to start with others.
    ///
    /// # Errors
    /// When the worker data does not encode.
    pub fn config(self) -> Result<PoolConfig, PoolError> {
        let Self { mut config, worker_data, .. } = self;
        match worker_data.encode(J::ENCODING) {
            Ok(data) => config.worker_data = data.unwrap_or(config.worker_data),
            Err(reason) => return Err(PoolError::WorkerData { pool: config.name, reason }),
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::Payload;
    use procpool_protocol::encodings::Encodings;
    use serde::Serializer;
    use serde::ser::Error;

    struct Fib;
    impl Job for Fib {
        const NAME: &'static str = "fib";
        type Input = u64;
        type Output = u64;
    }

    struct Unwritable;
    impl Serialize for Unwritable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("no"))
        }
    }

    fn described() -> PoolBuilder<Fib> {
        Pool::<Fib>::builder(Executable::path("/bin/true").unwrap())
    }

    #[test]
    fn of_several_worker_data_the_last_counts_whatever_came_before() {
        let config = described().worker_data(Unwritable).worker_data(7_u8).config().unwrap();
        assert_eq!(
            config.worker_data.given_to(Encodings::ALL),
            &Payload::encode(&7_u8, Fib::ENCODING).unwrap()
        );
        let error = described().worker_data(7_u8).worker_data(Unwritable).config().unwrap_err();
        assert!(matches!(error, PoolError::WorkerData { .. }), "{error}");
    }

    #[test]
    fn what_may_be_without_a_bound_takes_none() {
        let limits = described()
            .timeout(None)
            .run_timeout(Duration::from_secs(1))
            .idle_timeout(None)
            .recycle_jobs(1_000)
            .memory_limit(512 << 20)
            .cpu_limit(None)
            .config()
            .unwrap()
            .limits;
        assert_eq!((limits.timeout, limits.supervision.idle_timeout), (None, None));
        assert_eq!(
            (limits.run_timeout, limits.supervision.recycle_jobs),
            (Some(Duration::from_secs(1)), Some(1_000))
        );
        assert_eq!((limits.worker.memory_limit, limits.worker.cpu_limit), (Some(512 << 20), None));
    }
}
