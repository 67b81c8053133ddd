//! The last minutes of a pool, second by second, in the shape that HTTP clients rely on.

use serde::Serialize;

/// The last minutes of a pool, second by second. Each column has one entry a second, the oldest first.
///
/// A second in which nothing was measured is `None` in every column, and its counts are in the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PoolHistory {
    /// The first second, in seconds since 1970.
    pub start: u64,
    /// Number of seconds: the length of each column.
    pub seconds: usize,
    /// Number of jobs that ended with an outcome.
    pub finished: Vec<Option<u32>>,
    /// Number of jobs among them whose outcome was not an output.
    pub failed: Vec<Option<u32>>,
    /// Number of refused jobs.
    pub refused: Vec<Option<u32>>,
    /// Number of deaths of workers that the pool did not request.
    pub deaths: Vec<Option<u32>>,
    /// Number of waiting jobs at the second's end.
    pub queued: Vec<Option<u32>>,
    /// Number of workers with a job at the second's end.
    pub busy: Vec<Option<u32>>,
    /// Number of workers at the second's end.
    pub workers: Vec<Option<u32>>,
    /// 99th percentile of the time in the queue, of the jobs that ended in this second, in microseconds.
    pub wait_p99_us: Vec<Option<u32>>,
    /// Median of the time with a worker, of the jobs that ended in this second, in microseconds.
    pub run_p50_us: Vec<Option<u32>>,
    /// 99th percentile of the time with a worker, of the jobs that ended in this second, in microseconds.
    pub run_p99_us: Vec<Option<u32>>,
}
