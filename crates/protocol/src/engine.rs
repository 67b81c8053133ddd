//! The seam between a frontend and whatever runs the jobs: [`Engine`] and [`Admin`].
//!
//! Object-safe and free of any runtime. Only what takes time is a future: a job's outcome, and a reload. So that the frontend knows no processes and another engine
//! (a distributed one, a fake in a test) can stand where the local coordinator stands.

pub use crate::client_name::ClientName;
pub use crate::figures::{Latency, PoolCounters};
use crate::handshake::Description;
use crate::outcome::{Finished, JobError, JobId};
use crate::payload::{Encoding, Payload};
pub use crate::quarantine::{Quarantine, SuspectClient, SuspectPayload};
pub use crate::reload::{ReloadError, ReloadReport};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A boxed future that may be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A job on its way to a pool.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The pool that shall run it.
    pub pool: String,
    /// The input.
    pub input: Payload,
    /// The encoding in which a typed output is wanted.
    pub reply: Encoding,
    /// Limits of this job.
    pub limits: JobLimits,
    /// Whether the worker is asked for processor time and peak memory, which it tells in
    /// [`JobReport`](crate::extras::JobReport). Costs the worker a look into `/proc`, some 15 µs.
    pub reports_usage: bool,
    /// Who wants it done, as far as that is known: the pool counts the workers that a client's jobs kill.
    pub client: Option<ClientName>,
}

/// The limits of one job. What is not set comes from the pool; nothing exceeds the pool's `max_timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobLimits {
    /// Bounds queue and run together.
    pub timeout: Option<Duration>,
    /// Bounds the run alone.
    pub run_timeout: Option<Duration>,
}

/// A job that a pool has accepted.
pub struct Accepted {
    /// The job's id.
    pub id: JobId,
    /// Its one outcome. Dropping this future before it is ready cancels the job.
    pub outcome: BoxFuture<'static, Finished>,
}

impl fmt::Debug for Accepted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Accepted").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Runs jobs.
pub trait Engine: Send + Sync + 'static {
    /// Offers a job. It is accepted or refused at once; nothing waits for a queue slot here.
    ///
    /// # Errors
    /// Why it is refused.
    fn submit(&self, job: Submission) -> Result<Accepted, JobError>;

    /// Cancels a job by its id. `true` if it had no outcome yet; then `Cancelled` is its outcome.
    fn cancel(&self, job: JobId) -> bool;
}

/// What came of a reload, or none if there is no such pool.
pub type Reloaded = Option<Result<ReloadReport, ReloadError>>;

/// Tells what is running, and has it changed.
pub trait Admin: Send + Sync + 'static {
    /// Every pool, by name.
    fn pools(&self) -> Vec<PoolStatus>;

    /// The workers of one pool, or none if there is no such pool.
    fn workers(&self, pool: &str) -> Option<Vec<WorkerStatus>>;

    /// The schemas of one pool's job; `None` if there is no such pool, its job has none, or no worker has told them yet.
    fn schemas(&self, pool: &str) -> Option<Arc<PoolSchemas>>;

    /// Puts the executable that a pool's file name now stands for into service: one worker is tried, then all are
    /// replaced, one at a time and between two jobs. Ready when that is done. Dropping the future stops nothing.
    fn reload(&self, pool: &str) -> BoxFuture<'_, Reloaded>;

    /// What one pool holds against payloads and clients; `None` if there is no such pool.
    fn quarantine(&self, pool: &str) -> Option<Quarantine>;

    /// Forgets what a pool holds against the payload or client of this fingerprint, or against all. Returns how many it has
    /// forgotten; `None` if there is no such pool.
    fn clear_quarantine(&self, pool: &str, fingerprint: Option<&str>) -> Option<usize>;
}

/// A pool at one moment, in the shape that HTTP clients rely on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// The worker executable.
    pub executable: String,
    /// Jobs that wait for a worker.
    pub queued: usize,
    /// Jobs that a worker has.
    pub running: usize,
    /// Most jobs that may wait.
    pub queue_limit: usize,
    /// Bytes of the inputs that wait for a worker.
    pub queued_bytes: usize,
    /// Maximum number of bytes of inputs that may wait together.
    pub queue_bytes_limit: usize,
    /// Bytes of the outputs that their callers have not taken, those of less than 4 KiB apart. They are not bounded: each
    /// belongs to the caller that holds the job's handle.
    pub output_bytes: u64,
    /// Fewest workers that are kept.
    pub min_workers: usize,
    /// Most workers that are started.
    pub max_workers: usize,
    /// Workers by state.
    pub workers: WorkerCounts,
    /// Whether it is shutting down.
    pub draining: bool,
    /// The make of the executable that workers are started from, counted from 0 at the pool's start.
    pub generation: u64,
    /// Whether another make is being tried or given to all workers.
    pub reloading: bool,
    /// Milliseconds until the next start is tried, where starts have been failing.
    pub backoff_ms: Option<u64>,
    /// Whether starts have failed so often that one worker at a time is tried, and jobs are refused while none is there.
    pub breaker_open: bool,
    /// Jobs so far, by outcome's name, `refused` among them. All names are listed from the start.
    pub jobs: BTreeMap<&'static str, u64>,
    /// Jobs that were refused so far, by [reason](crate::outcome::Refusal::name). All reasons are listed from the start.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Deaths of workers so far that the pool itself did not ask for: `crashed`, `out_of_memory`, `killed` and `start` of
    /// [`deaths_by_cause`](Self::deaths_by_cause).
    pub deaths: u64,
    /// All workers that are gone, by cause: also those that the pool killed or asked to exit. All causes are listed from
    /// the start.
    pub deaths_by_cause: BTreeMap<&'static str, u64>,
    /// Totals of what else happened.
    pub counters: PoolCounters,
    /// Time in the queue, of finished jobs.
    pub wait: Latency,
    /// Time with a worker, of finished jobs.
    pub run: Latency,
}

impl PoolStatus {
    /// A pool of which nothing but name and executable is known.
    pub fn new(name: impl Into<String>, executable: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            executable: executable.into(),
            queued: 0,
            running: 0,
            queue_limit: 0,
            queued_bytes: 0,
            queue_bytes_limit: 0,
            output_bytes: 0,
            min_workers: 0,
            max_workers: 0,
            workers: WorkerCounts::default(),
            draining: false,
            generation: 0,
            reloading: false,
            backoff_ms: None,
            breaker_open: false,
            jobs: BTreeMap::new(),
            refusals: BTreeMap::new(),
            deaths: 0,
            deaths_by_cause: BTreeMap::new(),
            counters: PoolCounters::default(),
            wait: Latency::default(),
            run: Latency::default(),
        }
    }

    /// Whether a worker could take a job now or is at one.
    pub fn is_ready(&self) -> bool {
        !self.draining && self.workers.idle + self.workers.busy > 0
    }
}

/// What a pool's job takes and gives, as its workers say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PoolSchemas {
    /// JSON Schema of the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// JSON Schema of the output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Hash of both, 16 hexadecimal digits: see [`Schema::hash`](crate::Schema::hash).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

impl PoolSchemas {
    /// The schemas that a worker's description has, if any.
    pub fn of(description: Description) -> Self {
        let Description { schema_hash: hash, input, output, .. } = description;
        Self { input, output, hash }
    }
}

/// Workers by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkerCounts {
    /// Spawned, not ready.
    pub starting: usize,
    /// Ready, without a job.
    pub idle: usize,
    /// With a job.
    pub busy: usize,
    /// Asked to leave a job whose outcome is already decided.
    pub stopping: usize,
    /// Asked to exit.
    pub retiring: usize,
}

/// A worker at one moment, in the shape that HTTP clients rely on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// Its name, never used twice: `fib-3`.
    pub id: String,
    /// Its process id, once it is spawned.
    pub pid: Option<u32>,
    /// `starting`, `idle`, `busy`, `stopping` or `retiring`.
    pub state: &'static str,
    /// The job that it has.
    pub job: Option<JobId>,
    /// Jobs that it has finished.
    pub jobs_done: u64,
    /// Milliseconds since it was spawned.
    pub uptime_ms: u64,
    /// The make of the executable that it was started from.
    pub generation: u64,
    /// Contract version, once it said hello.
    pub version: Option<u32>,
    /// Version of the executable's package, where it told.
    pub build: Option<String>,
}

impl WorkerStatus {
    /// A worker of which nothing but name and state is known.
    pub fn new(id: impl Into<String>, state: &'static str) -> Self {
        Self {
            id: id.into(),
            pid: None,
            state,
            job: None,
            jobs_done: 0,
            uptime_ms: 0,
            generation: 0,
            version: None,
            build: None,
        }
    }
}
