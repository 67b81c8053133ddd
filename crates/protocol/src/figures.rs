//! The counters of a pool since its start, in the shape that HTTP clients rely on.

use crate::distribution::Distribution;
use crate::status::PoolStatus;
use serde::{Serialize, Serializer};
use std::time::Duration;

/// A distribution of times in microseconds, each with an error of at most 4.4 % and half a
/// microsecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// Number of measured times.
    pub count: u64,
    /// Sum of all times; in JSON `sum_seconds`, a number of seconds.
    #[serde(rename = "sum_seconds", serialize_with = "seconds")]
    pub sum: Duration,
    /// Median.
    pub p50_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// Maximum.
    pub max_us: u64,
}

/// Totals of a pool since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PoolCounters {
    /// Number of accepted jobs: all that have an outcome, wait or run. A job that is returned because its
    /// client is refused counts as refused instead.
    pub accepted: u64,
    /// Number of retries of jobs whose worker died while running them.
    pub retried: u64,
    /// Number of times that a job went back to the queue because its worker died before it had
    /// received all of it.
    pub returned: u64,
    /// Number of times that a job was withdrawn from a worker that had received it ahead of its turn and had
    /// not begun it.
    pub taken_back: u64,
    /// Number of answers that arrived after their job's end.
    pub late_results: u64,
    /// Number of workers started.
    pub starts: u64,
    /// Number of those starts that replaced a worker.
    pub restarts: u64,
    /// Number of workers that the pool killed.
    pub kills: u64,
    /// Number of times that the breaker opened.
    pub breaker_opened: u64,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// The figures of a pool for a system of metrics: its status, and what would make that long.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolFigures {
    /// The pool's status.
    pub status: PoolStatus,
    /// Number of waiting jobs of each priority, in the order of [`Priority::ALL`](crate::engine::Priority::ALL).
    pub queued: [usize; 3],
    /// Time that a job which joins the queue now is likely to wait. Zero while a worker is idle, and until enough
    /// jobs have run.
    pub predicted_wait: Duration,
    /// Time in the queue, of finished jobs.
    pub wait: Distribution,
    /// Time with a worker, of finished jobs.
    pub run: Distribution,
    /// Time from the start of a worker until it is ready.
    pub start: Distribution,
    /// Highest peak of a worker's resident memory at the end of a job, of jobs that were asked for their usage, in
    /// bytes.
    pub peak_resident_bytes: u64,
    /// Maximum memory of a worker, in bytes. `None`: it has no limit.
    pub memory_limit: Option<u64>,
    /// Number of payloads in quarantine.
    pub poisoned: usize,
    /// Reloads so far, by result.
    pub reloads: Reloads,
    /// Bytes of payloads so far.
    pub payloads: PayloadBytes,
}

impl From<PoolStatus> for PoolFigures {
    /// Returns figures of which only the status is known.
    fn from(status: PoolStatus) -> Self {
        Self {
            status,
            queued: [0; 3],
            predicted_wait: Duration::ZERO,
            wait: Distribution::default(),
            run: Distribution::default(),
            start: Distribution::default(),
            peak_resident_bytes: 0,
            memory_limit: None,
            poisoned: 0,
            reloads: Reloads::default(),
            payloads: PayloadBytes::default(),
        }
    }
}

/// Number of reloads of a pool's executable, by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloads {
    /// Every worker was replaced.
    pub done: u64,
    /// The file could not be used, or its first worker did not get ready.
    pub failed: u64,
    /// A later reload came before the end.
    pub superseded: u64,
}

/// Bytes of payloads between a pool and its workers, by direction and way. A payload that is sent again counts
/// again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PayloadBytes {
    /// Inputs that went over the socket.
    pub input_by_socket: u64,
    /// Inputs that went through shared memory.
    pub input_by_memory: u64,
    /// Outputs that came over the socket.
    pub output_by_socket: u64,
    /// Outputs that came through shared memory.
    pub output_by_memory: u64,
}
