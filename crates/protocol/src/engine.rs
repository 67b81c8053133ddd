//! The interface between a frontend and the engine that runs the jobs: [`Engine`] and [`Admin`].
//!
//! Object-safe and independent of a runtime. Only two operations take time and are futures: a job's outcome,
//! and a reload. The frontend knows no processes. Therefore another engine can replace the local coordinator:
//! a distributed one, or a fake in a test.

pub use crate::client_name::ClientName;
pub use crate::deaths::{DeadPayload, Death, DeathGroup, DeathPage, DeathQuery};
pub use crate::distribution::Distribution;
pub use crate::figures::{PayloadBytes, PoolFigures, Reloads};
pub use crate::history::PoolHistory;
pub use crate::hosts::{HostState, HostStatus, MAX_HOSTS};
pub use crate::inspection::{InspectionError, Profile, StackOptions};
pub use crate::offered::Offered;
use crate::outcome::{Finished, JobError, JobId};
use crate::payload::{Encoding, Payload};
pub use crate::priority::{Priority, UnknownPriority};
pub use crate::reconfiguration::{ChangedPool, ConfigReloadError, ConfigReport};
pub use crate::reload::{ReloadError, ReloadReport};
pub use crate::sample::{PoolSample, SampleFigures, WorkerSample};
pub use crate::settings::{PoolSettings, ReconfigureError, UnknownOrder, WorkerOrder};
use crate::stack::Stack;
pub use crate::status::{
    Latency, PoolCounters, PoolSchemas, PoolStatus, PoolUsage, Quarantine, SuspectClient, SuspectPayload,
    WorkerCounts, WorkerState, WorkerStatus, WorkerUsage,
};
pub use crate::trace::TraceContext;
pub use crate::watched::{JobEvent, JobEvents, Watched};
pub use crate::worker_detail::{Activity, JobLimit, JobProgress, WorkerDetail};
pub use crate::worker_output::{OutputLine, OutputOf, OutputPage, OutputStream, WorkerOutput};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A boxed future that may be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A job on its way to a pool.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Submission {
    /// The pool that runs it.
    pub pool: String,
    /// The input.
    pub input: Payload,
    /// The requested encoding of a typed output.
    pub reply: Encoding,
    /// The limits of this job.
    pub limits: JobLimits,
    /// Whether the worker reports processor time and peak memory in
    /// [`JobReport`](crate::extras::JobReport). To do so, the worker reads `/proc`, in about 15 µs.
    pub reports_usage: bool,
    /// The client, if it is known. The pool counts the workers that a client's jobs kill.
    pub client: Option<ClientName>,
    /// The rank of the job among the waiting ones.
    pub priority: Priority,
    /// The tenant. Tenants with waiting jobs of one priority take turns; all jobs without a tenant share
    /// turns.
    pub tenant: Option<ClientName>,
    /// The name of who asks for the job, as the frontend knows it: of a token, of a user of this machine, or
    /// `anonymous`. An engine may keep what belongs to one apart from others.
    pub principal: Option<ClientName>,
    /// The trace that the job belongs to. Its worker is told of it.
    pub trace: Option<Arc<TraceContext>>,
}

impl Submission {
    /// Returns a job with the pool's limits and normal priority, without a client and a tenant.
    pub fn new(pool: impl Into<String>, input: Payload, reply: Encoding) -> Self {
        Self {
            pool: pool.into(),
            input,
            reply,
            limits: JobLimits::default(),
            reports_usage: false,
            client: None,
            priority: Priority::Normal,
            tenant: None,
            principal: None,
            trace: None,
        }
    }
}

/// The limits of one job. The pool fills in missing ones; nothing exceeds the pool's `max_timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobLimits {
    /// Maximum time for queue and run together.
    pub timeout: Option<Duration>,
    /// Maximum time for the run alone.
    pub run_timeout: Option<Duration>,
}

impl JobLimits {
    /// Returns limits without own values, so that all come from the pool.
    #[must_use]
    pub const fn new() -> Self {
        Self { timeout: None, run_timeout: None }
    }

    /// Limits queue and run together.
    #[must_use]
    #[inline]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Limits the run alone.
    #[must_use]
    #[inline]
    pub fn run_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.run_timeout = timeout.into();
        self
    }
}

/// A job that a pool has accepted.
#[non_exhaustive]
pub struct Accepted {
    /// The job's id.
    pub id: JobId,
    /// Its one outcome. Dropping this future before it is ready cancels the job.
    pub outcome: BoxFuture<'static, Finished>,
}

impl Accepted {
    /// Returns an accepted job with the future of its outcome.
    pub fn new(id: JobId, outcome: impl Future<Output = Finished> + Send + 'static) -> Self {
        Self { id, outcome: Box::pin(outcome) }
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Accepted").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Runs jobs.
pub trait Engine: Send + Sync + 'static {
    /// Offers a job. The pool accepts or refuses it at once, without waiting for a queue slot.
    ///
    /// # Errors
    /// Returns the reason for which the pool refuses the job.
    fn submit(&self, job: Submission) -> Result<Accepted, JobError>;

    /// Offers a job under this id, and reports what happens to it before its outcome. The id is random, and no
    /// other job has it. The default reports nothing, and leaves the job its own id.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    fn submit_watched(&self, id: JobId, job: Submission) -> Result<Watched, JobError> {
        let _ = id;
        Ok(Watched::new(self.submit(job)?, JobEvents::none()))
    }

    /// Returns the limits that the job's pool will apply to it. The default returns the job's own.
    fn limits_of(&self, job: &Submission) -> JobLimits {
        job.limits
    }

    /// Offers a job that may wait until its pool's queue has room. Its limits count from its acceptance. An
    /// engine that does not implement this refuses a job whose queue is full.
    ///
    /// # Errors
    /// Returns the reason for which the pool refuses the job, other than a full queue.
    fn offer(&self, job: Submission) -> Result<Offered, JobError> {
        self.submit(job).map(Offered::Accepted)
    }

    /// Returns the pool of a job that has no outcome yet. The default knows none.
    fn pool_of(&self, job: JobId) -> Option<String> {
        let _ = job;
        None
    }

    /// Cancels a job by its id. Returns `true` if it had no outcome yet; then its outcome is `Cancelled`.
    fn cancel(&self, job: JobId) -> bool;
}

/// The result of a reload, or `None` if there is no such pool.
pub type Reloaded = Option<Result<ReloadReport, ReloadError>>;

/// The hosts of an engine, those that were heard of last first, or why they are not known.
pub type Hosts = Result<Arc<[HostStatus]>, String>;

/// Shows the pools that run, and changes them.
pub trait Admin: Send + Sync + 'static {
    /// Returns every pool, by name.
    fn pools(&self) -> Vec<PoolStatus>;

    /// Returns the figures of every pool, by name. The default returns those that
    /// [`pools`](Self::pools) knows.
    fn figures(&self) -> Vec<PoolFigures> {
        self.pools().into_iter().map(PoolFigures::from).collect()
    }

    /// Returns the hosts that run jobs for this engine, at most [`MAX_HOSTS`]. `None` if it runs all of them itself, as by
    /// default.
    fn hosts(&self) -> Option<BoxFuture<'_, Hosts>> {
        None
    }

    /// Returns the last `seconds` of one pool. Returns `None` if there is no such pool, or this engine remembers
    /// none.
    fn history(&self, pool: &str, seconds: usize) -> Option<PoolHistory> {
        let _ = (pool, seconds);
        None
    }

    /// Returns the workers of one pool, or `None` if there is no such pool.
    fn workers(&self, pool: &str) -> Option<Vec<WorkerStatus>>;

    /// Returns what the workers of one pool use of memory and processor time, at most 250 ms ago. The system is asked
    /// when somebody asks for it, on a thread that nobody waits on. Returns `None` if there is no such pool, or the
    /// engine does not know.
    fn usage(&self, pool: &str) -> BoxFuture<'_, Option<Arc<PoolUsage>>> {
        let _ = pool;
        Box::pin(async { None })
    }

    /// Copies the state of every pool into `samples`, by name. Process ids that the last call has left there are used again. For
    /// several calls a second: no pool's lock is held for long. The default copies none.
    fn sample(&self, samples: &mut Vec<PoolSample>) {
        samples.clear();
    }

    /// Returns the schemas of one pool's job. Returns `None` if there is no such pool, its job has none, or
    /// no worker has sent them yet.
    fn schemas(&self, pool: &str) -> Option<Arc<PoolSchemas>>;

    /// Reloads the executable that a pool's file name now refers to. The pool tries one worker, then replaces
    /// all, one at a time and between two jobs. The future is ready when that is done; dropping it stops
    /// nothing.
    fn reload(&self, pool: &str) -> BoxFuture<'_, Reloaded>;

    /// Pauses one pool, or resumes it. A paused pool accepts jobs, and begins none. Resuming ends
    /// [`drain`](Self::drain), too. Returns `None` if there is no such pool.
    fn set_paused(&self, pool: &str, paused: bool) -> Option<()>;

    /// Lets one pool refuse jobs until it is resumed. Accepted jobs run, and workers stay. Returns `None` if
    /// there is no such pool, or this engine drains none.
    fn drain(&self, pool: &str) -> Option<()> {
        let _ = pool;
        None
    }

    /// Sends the worker of this name away. Returns the name of its pool, or `None` if there is no such worker.
    fn order_worker(&self, worker: &str, order: WorkerOrder) -> Option<String> {
        let _ = (worker, order);
        None
    }

    /// Returns the name of the pool that has the worker of this name, or had it. A pool that is being removed counts,
    /// too. The default looks through the workers of all pools.
    fn pool_of_worker(&self, worker: &str) -> Option<String> {
        let has = |pool: &PoolStatus| {
            self.workers(&pool.name).is_some_and(|all| all.iter().any(|it| it.id == worker))
        };
        self.pools().into_iter().find(has).map(|pool| pool.name)
    }

    /// Returns the worker of this name with what its process does and how far its job is. The system is asked on a thread
    /// that nobody waits on. The default knows no worker.
    fn worker(&self, worker: &str) -> BoxFuture<'_, Result<WorkerDetail, InspectionError>> {
        let unknown = InspectionError::unknown(worker);
        Box::pin(async { Err(unknown) })
    }

    /// Returns what the worker of this name does now: its first thread, which runs the jobs, unless `options` want more.
    /// Stops the worker for a fraction of a millisecond. The default knows no worker.
    fn stack(&self, worker: &str, options: StackOptions) -> BoxFuture<'_, Result<Stack, InspectionError>> {
        let _ = options;
        let unknown = InspectionError::unknown(worker);
        Box::pin(async { Err(unknown) })
    }

    /// Looks at the first thread of the worker of this name [`SAMPLE_RATE`](crate::inspection::SAMPLE_RATE)
    /// times a second for this time, at most [`LONGEST_PROFILE`](crate::inspection::LONGEST_PROFILE). Dropping
    /// the future ends that. The default knows no worker.
    fn profile(&self, worker: &str, time: Duration) -> BoxFuture<'_, Result<Profile, InspectionError>> {
        let _ = time;
        let unknown = InspectionError::unknown(worker);
        Box::pin(async { Err(unknown) })
    }

    /// Returns the settings of one pool that may change while it runs: those of now, and those with which it
    /// was configured. Returns `None` if there is no such pool, or its settings cannot change.
    fn settings(&self, pool: &str) -> Option<(PoolSettings, PoolSettings)> {
        let _ = pool;
        None
    }

    /// Changes the settings of one pool from those that the caller knows to others, all or none. Returns `None`
    /// as [`settings`](Self::settings) does.
    fn reconfigure(
        &self,
        pool: &str,
        from: &PoolSettings,
        to: &PoolSettings,
    ) -> Option<Result<(), ReconfigureError>> {
        let _ = (pool, from, to);
        None
    }

    /// Reads the configuration again and applies the difference, or only returns it if this is a `rehearsal`.
    /// Nothing has changed after an error.
    fn reload_config(&self, rehearsal: bool) -> BoxFuture<'_, Result<ConfigReport, ConfigReloadError>> {
        let _ = rehearsal;
        Box::pin(async { Err(ConfigReloadError::NoFile) })
    }

    /// Returns the last lines that the living worker of this name wrote. The default knows none.
    fn output(&self, worker: &str) -> Option<OutputOf> {
        let _ = worker;
        None
    }

    /// Returns the deaths of workers that the engine remembers, the newest first, those of removed pools among
    /// them. The default remembers none.
    fn deaths(&self, query: &DeathQuery) -> DeathPage {
        let _ = query;
        DeathPage::default()
    }

    /// Returns the death of this number, if the engine still remembers it. The default remembers none.
    fn death(&self, id: u64) -> Option<Arc<Death>> {
        let _ = id;
        None
    }

    /// Returns the groups of deaths that the engine remembers, the one with the newest death first. The default
    /// remembers none.
    fn death_groups(&self) -> Vec<DeathGroup> {
        Vec::new()
    }

    /// Returns the payloads and clients to which one pool attributes deaths, or `None` if there is no such
    /// pool.
    fn quarantine(&self, pool: &str) -> Option<Quarantine>;

    /// Clears the deaths that a pool attributes to the payload or client of this fingerprint, or all of them.
    /// Returns the number of cleared entries, or `None` if there is no such pool.
    fn clear_quarantine(&self, pool: &str, fingerprint: Option<&str>) -> Option<usize>;
}
