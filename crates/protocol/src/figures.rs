//! What a pool has counted since its start, in the shape that HTTP clients rely on.

use serde::{Serialize, Serializer};
use std::time::Duration;

/// A distribution of times in microseconds, each within 7 % of the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// All of them together; in JSON `sum_seconds`, a number of seconds.
    #[serde(rename = "sum_seconds", serialize_with = "seconds")]
    pub sum: Duration,
    /// Half were no longer than this.
    pub p50_us: u64,
    /// 99 of 100 were no longer than this.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Totals of what a pool has done and seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PoolCounters {
    /// Jobs that were accepted: all that have an outcome, wait or run. One that is given back, since its client is refused,
    /// no longer counts here but as refused.
    pub accepted: u64,
    /// Times that a job was handed out again because its worker died with it.
    pub retried: u64,
    /// Times that a job went back to the queue because its worker died before it had got all of it.
    pub returned: u64,
    /// Times that a job was taken back from a worker that had it ahead and had not begun it.
    pub taken_back: u64,
    /// Answers that came after their job's end.
    pub late_results: u64,
    /// Workers started.
    pub starts: u64,
    /// Those of the starts that replaced a worker.
    pub restarts: u64,
    /// Workers that the pool killed.
    pub kills: u64,
    /// Times that the breaker opened.
    pub breaker_opened: u64,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
