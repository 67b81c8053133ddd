//! The state of a pool at one moment for people who watch it: a few numbers for each worker, in memory that is
//! used again. Does not: hold texts that a worker chose.

use crate::engine::PoolCounters;
use crate::job_id::JobId;
use crate::status::{Latency, WorkerState};
use std::time::Duration;

/// The state of one pool at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PoolSample {
    /// Its name.
    pub name: String,
    /// Its numbers.
    pub figures: SampleFigures,
    /// Its workers by their places. A replacement takes the lowest free place, which usually is that of the dead worker.
    pub places: Vec<Option<WorkerSample>>,
    /// The jobs that run for longest, the longest first, each with the place of its worker: at most
    /// [`MOST_LONGEST`](Self::MOST_LONGEST).
    pub longest: Vec<(usize, JobId)>,
}

impl PoolSample {
    /// Maximum number of jobs in [`longest`](Self::longest).
    pub const MOST_LONGEST: usize = 20;

    /// Returns an empty sample of the pool of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// The numbers of a pool at one moment, and its totals since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SampleFigures {
    /// Number of jobs that wait for a worker.
    pub queued: usize,
    /// Time since the oldest of them was accepted. `None` if no job waits.
    pub oldest: Option<Duration>,
    /// Number of jobs that workers hold.
    pub running: usize,
    /// Maximum number of jobs that may wait.
    pub queue_limit: usize,
    /// Minimum number of workers that the pool maintains.
    pub min_workers: usize,
    /// Maximum number of workers that the pool starts.
    pub max_workers: usize,
    /// Number of finished jobs with the outcome `ok`.
    pub ok: u64,
    /// Number of finished jobs with another outcome. Refused ones do not count.
    pub failed: u64,
    /// Number of refused jobs.
    pub refused: u64,
    /// Number of deaths of workers that the pool itself did not request.
    pub deaths: u64,
    /// Totals of other events.
    pub counters: PoolCounters,
    /// Time in the queue, of jobs that finished in the last ten seconds. Its maximum is that since the start.
    pub wait: Latency,
    /// Time with a worker, of jobs that finished in the last ten seconds. Its maximum is that since the start.
    pub run: Latency,
    /// The generation of the executable from which workers are started.
    pub generation: u64,
    /// Whether another generation is being tried or rolled out.
    pub reloading: bool,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// Whether it refuses jobs and ends those that it has.
    pub draining: bool,
    /// Whether starts have failed so often that the pool tries one worker at a time.
    pub breaker_open: bool,
}

/// A worker at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerSample {
    /// The number in its name, which is never used again: 3 of `fib-3`.
    pub number: u64,
    /// Its process id, once it is spawned.
    pub pid: Option<u32>,
    /// Its state.
    pub state: WorkerState,
    /// Time for which it has run its job, or been idle. In other states, time since its start.
    pub since: Duration,
    /// Time since its start.
    pub uptime: Duration,
    /// The generation of the executable from which it was started.
    pub generation: u64,
    /// Number of jobs that it has finished.
    pub jobs_done: u64,
}

impl WorkerSample {
    /// Returns a worker with only its number and state.
    pub const fn new(number: u64, state: WorkerState) -> Self {
        let (since, uptime) = (Duration::ZERO, Duration::ZERO);
        Self { number, pid: None, state, since, uptime, generation: 0, jobs_done: 0 }
    }
}
