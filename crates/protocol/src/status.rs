//! The state of a pool and its workers at one moment, in the form that HTTP clients rely on. Does not: make
//! decisions.

pub use crate::figures::{Latency, PoolCounters};
use crate::handshake::Description;
use crate::job_id::JobId;
pub use crate::outcome_kind::OutcomeKind;
pub use crate::quarantine::{Quarantine, SuspectClient, SuspectPayload};
pub use crate::usage::{PoolUsage, WorkerUsage};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The state of a pool at one moment, in the form that HTTP clients rely on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// The worker executable.
    pub executable: String,
    /// Number of jobs that wait for a worker.
    pub queued: usize,
    /// Milliseconds since the oldest of them was accepted. `None` if no job waits.
    pub oldest_ms: Option<u64>,
    /// Number of jobs that workers hold.
    pub running: usize,
    /// Maximum number of jobs that may wait.
    pub queue_limit: usize,
    /// Total number of bytes of the inputs that wait for a worker.
    pub queued_bytes: usize,
    /// Maximum number of bytes of inputs that may wait together.
    pub queue_bytes_limit: usize,
    /// Total number of bytes of the outputs that their callers have not received yet, without those below 4
    /// KiB. They are not bounded: each belongs to the caller that holds the job's handle.
    pub output_bytes: u64,
    /// Minimum number of workers that the pool maintains.
    pub min_workers: usize,
    /// Maximum number of workers that the pool starts.
    pub max_workers: usize,
    /// Number of workers by state.
    pub workers: WorkerCounts,
    /// Whether it refuses jobs and ends those that it has: it is shutting down, or an operator drains it.
    pub draining: bool,
    /// Whether an operator has paused it: it accepts jobs, and begins none.
    pub paused: bool,
    /// The generation of the executable from which workers are started, counted from 0 at the pool's start.
    pub generation: u64,
    /// Whether another generation is being tried or rolled out.
    pub reloading: bool,
    /// Milliseconds until the next start is tried, if starts have been failing.
    pub backoff_ms: Option<u64>,
    /// Whether starts have failed so often that the pool tries one worker at a time. It refuses jobs while no
    /// worker is alive.
    pub breaker_open: bool,
    /// Number of jobs so far, by outcome, including refused ones. All kinds are listed from the start.
    pub jobs: BTreeMap<OutcomeKind, u64>,
    /// Number of refused jobs so far, by [reason](crate::outcome::Refusal::name). All reasons are listed from
    /// the start.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Number of deaths of workers so far that the pool itself did not request: `crashed`, `out_of_memory`,
    /// `killed` and `start` of [`deaths_by_cause`](Self::deaths_by_cause).
    pub deaths: u64,
    /// Number of all ended workers, by cause, including those that the pool killed or asked to exit. All
    /// causes are listed from the start.
    pub deaths_by_cause: BTreeMap<&'static str, u64>,
    /// Number of starts of workers so far that have come to their end, by result: `ready`, `failed`, or `withdrawn` if
    /// the pool itself gave them up.
    pub starts: BTreeMap<&'static str, u64>,
    /// Totals of other events.
    pub counters: PoolCounters,
    /// Time in the queue, of finished jobs.
    pub wait: Latency,
    /// Time with a worker, of finished jobs.
    pub run: Latency,
}

impl PoolStatus {
    /// Returns a pool with only its name and executable.
    pub fn new(name: impl Into<String>, executable: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            executable: executable.into(),
            queued: 0,
            oldest_ms: None,
            running: 0,
            queue_limit: 0,
            queued_bytes: 0,
            queue_bytes_limit: 0,
            output_bytes: 0,
            min_workers: 0,
            max_workers: 0,
            workers: WorkerCounts::default(),
            draining: false,
            paused: false,
            generation: 0,
            reloading: false,
            backoff_ms: None,
            breaker_open: false,
            jobs: BTreeMap::new(),
            refusals: BTreeMap::new(),
            deaths: 0,
            deaths_by_cause: BTreeMap::new(),
            starts: BTreeMap::new(),
            counters: PoolCounters::default(),
            wait: Latency::default(),
            run: Latency::default(),
        }
    }

    /// Returns whether a worker could accept a job now or is running one.
    pub fn is_ready(&self) -> bool {
        !self.draining && self.workers.idle + self.workers.busy > 0
    }
}

/// The schemas of a pool's job, as its workers report them.
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
    /// Returns the schemas of a worker's description, if it has any.
    pub fn of(description: Description) -> Self {
        let Description { schema_hash: hash, input, output, .. } = description;
        Self { input, output, hash }
    }
}

/// Number of workers by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WorkerCounts {
    /// Number of workers that are spawned and not ready.
    pub starting: usize,
    /// Number of workers that are ready and have no job.
    pub idle: usize,
    /// Number of workers that have a job.
    pub busy: usize,
    /// Number of workers that were asked to stop a job whose outcome is already decided.
    pub stopping: usize,
    /// Number of workers that were asked to exit.
    pub retiring: usize,
}

/// The state of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkerState {
    /// Spawned, and not ready.
    Starting,
    /// Ready, without a job.
    Idle,
    /// Running a job.
    Busy,
    /// Asked to stop a job whose outcome is already decided.
    Stopping,
    /// Asked to exit.
    Retiring,
}

/// The state of a worker at one moment, in the form that HTTP clients rely on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// Its name, which is never reused: `fib-3`.
    pub id: String,
    /// Its process id, once it is spawned.
    pub pid: Option<u32>,
    /// Its state. In JSON `starting`, `idle`, `busy`, `stopping` or `retiring`.
    pub state: WorkerState,
    /// Its current job.
    pub job: Option<JobId>,
    /// Milliseconds since it was given that job.
    pub job_ms: Option<u64>,
    /// Number of jobs that it has finished.
    pub jobs_done: u64,
    /// Milliseconds since it was spawned.
    pub uptime_ms: u64,
    /// The generation of the executable from which it was started.
    pub generation: u64,
    /// Contract version, once it has sent its hello.
    pub version: Option<u32>,
    /// Version of the executable's package, if known.
    pub build: Option<String>,
    /// Its resident memory, in bytes, where that was asked for: see [`PoolUsage::tell`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    /// Its time on a processor, in milliseconds, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
}

impl WorkerStatus {
    /// Returns a worker with only its name and state.
    pub fn new(id: impl Into<String>, state: WorkerState) -> Self {
        Self {
            id: id.into(),
            pid: None,
            state,
            job: None,
            job_ms: None,
            jobs_done: 0,
            uptime_ms: 0,
            generation: 0,
            version: None,
            build: None,
            resident_bytes: None,
            cpu_ms: None,
        }
    }
}
