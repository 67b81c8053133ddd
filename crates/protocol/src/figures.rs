//! The counters of a pool since its start, in the shape that HTTP clients rely on.

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
