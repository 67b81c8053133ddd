//! A distribution of durations in constant memory: eight buckets to every doubling.

use procpool_protocol::engine::Latency;
use std::time::Duration;

/// Buckets to a doubling, as a power of two. The middle of a bucket is within 7 % of anything in it.
const PRECISION: u32 = 3;

/// Buckets for 0 µs to 2³² µs, which is over an hour; longer durations count as that.
const BUCKETS: usize = (32 - PRECISION as usize + 1) << PRECISION;

/// Counts durations in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    sum: Duration,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), count: 0, sum: Duration::ZERO, max: 0 }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(duration);
        self.max = self.max.max(micros);
    }

    pub(crate) fn latency(&self) -> Latency {
        let mut latency = Latency::default();
        latency.count = self.count;
        latency.sum = self.sum;
        latency.p50_us = self.quantile(50);
        latency.p99_us = self.quantile(99);
        latency.max_us = self.max;
        latency
    }

    /// Returns a duration, in microseconds, that `percent` of all do not exceed.
    fn quantile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return middle(index).min(self.max);
            }
        }
        0
    }
}

/// Returns the bucket of a value: its highest bits, [`PRECISION`] of them behind the leading one.
fn bucket(value: u64) -> usize {
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    let doublings = (u32::BITS - value.leading_zeros()).saturating_sub(PRECISION + 1);
    ((doublings << PRECISION) + (value >> doublings)) as usize
}

fn middle(bucket: usize) -> u64 {
    let sub = 1 << PRECISION;
    if bucket < 2 * sub {
        return bucket as u64;
    }
    let doublings = bucket / sub - 1;
    let lowest = ((bucket % sub + sub) as u64) << doublings;
    lowest + (1 << doublings) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_bucket_is_near_everything_in_it() {
        for value in (0..100_000).chain([1 << 20, (1 << 31) + 12345, u64::from(u32::MAX)]) {
            let middle = middle(bucket(value));
            assert!(middle.abs_diff(value) * 100 <= value * 7, "{value} is told as {middle}");
        }
    }

    #[test]
    fn quantiles_of_a_hundred_values() {
        let mut histogram = Histogram::default();
        for value in 1..=100 {
            histogram.record(Duration::from_millis(value));
        }
        let latency = histogram.latency();
        assert_eq!(latency.count, 100);
        assert!(latency.p50_us.abs_diff(50_000) < 3_500, "{latency:?}");
        assert!(latency.p99_us.abs_diff(99_000) < 7_000, "{latency:?}");
        assert_eq!((latency.max_us, latency.sum), (100_000, Duration::from_millis(5_050)));
        assert_eq!(Histogram::default().latency(), Latency::default());
    }

    #[test]
    fn a_duration_beyond_the_last_bucket_is_counted() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.latency().count, 1);
    }
}
