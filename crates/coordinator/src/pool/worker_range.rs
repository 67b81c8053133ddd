//! [`WorkerRange`]: how many workers a pool has, as a number or a range.

use std::ops::RangeInclusive;

/// The minimum and the maximum number of workers of a pool: `4`, or `1..=4`.
///
/// ```
/// use procpool_coordinator::WorkerRange;
///
/// assert_eq!(WorkerRange::from(4), WorkerRange::from(4..=4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerRange {
    min: usize,
    max: usize,
}

impl WorkerRange {
    /// Returns the minimum number of workers.
    pub fn min(self) -> usize {
        self.min
    }

    /// Returns the maximum number of workers.
    pub fn max(self) -> usize {
        self.max
    }
}

impl From<usize> for WorkerRange {
    fn from(workers: usize) -> Self {
        Self { min: workers, max: workers }
    }
}

impl From<RangeInclusive<usize>> for WorkerRange {
    fn from(workers: RangeInclusive<usize>) -> Self {
        Self { min: *workers.start(), max: *workers.end() }
    }
}
