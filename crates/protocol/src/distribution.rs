//! A distribution of durations in constant memory: eight geometric buckets to each doubling.
//!
//! The bounds are `2^(i/8)` seconds. These are the buckets of schema 3 of Prometheus' native histograms and of
//! scale 3 of OpenTelemetry, so a count is passed on to both without counting again.

use crate::figures::Latency;
use std::time::Duration;

/// Number of buckets to a doubling.
const PER_DOUBLING: usize = 8;

/// The first bucket ends at 2⁻²⁰ s, which is just below a microsecond.
const LOWEST: i32 = -20;

/// The last bucket ends at 2¹² s, which is over an hour. It counts longer durations, too.
const HIGHEST: i32 = 12;

const DOUBLINGS: usize = HIGHEST.abs_diff(LOWEST) as usize;

/// A duration is measured in units of 2⁻³⁰ s, so that whole doublings are shifts.
const UNITS: u32 = 30;

/// The highest value of the first bucket, less one unit, as in [`Distribution::bucket`].
const FIRST: u64 = (1 << (UNITS as i32 + LOWEST)) - 1;

/// Longer durations count as this, in seconds.
const LONGEST: u64 = 1 << 33;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// 2³⁰ ÷ 10⁹ as a fraction of 2³²: takes nanoseconds to units.
const OF_NANOSECOND: u64 = 4_611_686_018;

/// 2^(i/8) for `i` from 1 to 7, as fractions of 2⁶³.
const ROOTS: [u64; PER_DOUBLING - 1] = [
    0x8b95_c1e3_ea8b_d6e6,
    0x9837_f051_8db8_a96f,
    0xa5fe_d6a9_b151_38ea,
    0xb504_f333_f9de_6484,
    0xc567_2a11_5506_dadd,
    0xd744_fcca_d69d_6af4,
    0xeac0_c6e7_dd24_392e,
];

/// For each sixteenth of a doubling, the number of [`ROOTS`] below it and the next one. A sixteenth contains at
/// most one, so one comparison finds the bucket.
const SIXTEENTHS: [(usize, u64); 16] = sixteenths();

/// Counts durations, each with an error of at most 4.4 %.
///
/// ```
/// use procpool_protocol::engine::Distribution;
/// use std::time::Duration;
///
/// let mut runs = Distribution::default();
/// for millis in 1..=100 {
///     runs.record(Duration::from_millis(millis));
/// }
/// assert_eq!(runs.latency().count, 100);
/// assert!(runs.latency().p50_us.abs_diff(50_000) < 2_300); // microseconds
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Distribution {
    buckets: Box<[u64; Self::BUCKETS]>,
    count: u64,
    /// In nanoseconds, as is the maximum.
    sum: u128,
    max: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { buckets: Box::new([0; Self::BUCKETS]), count: 0, sum: 0, max: 0 }
    }
}

impl Clone for Distribution {
    fn clone(&self) -> Self {
        let Self { buckets, count, sum, max } = self;
        Self { buckets: buckets.clone(), count: *count, sum: *sum, max: *max }
    }

    /// Copies the counts, and allocates nothing.
    fn clone_from(&mut self, source: &Self) {
        self.buckets.copy_from_slice(&*source.buckets);
        (self.count, self.sum, self.max) = (source.count, source.sum, source.max);
    }
}

impl Distribution {
    /// Number of buckets: one up to 2⁻²⁰ s, then eight to each doubling up to 2¹² s.
    pub const BUCKETS: usize = 1 + DOUBLINGS * PER_DOUBLING;

    /// Returns the index of the bucket that counts this duration. The bucket with index `i` ends at
    /// `2^(i/8 - 20)` seconds, which it includes.
    #[must_use]
    #[inline]
    pub fn bucket(duration: Duration) -> usize {
        let units = (duration.as_secs().min(LONGEST) << UNITS)
            + ((u64::from(duration.subsec_nanos()) * OF_NANOSECOND) >> 32);
        // A bucket includes its upper bound. A value below the first bound counts as just below it.
        let below = units.min(1 << (UNITS + HIGHEST as u32)).saturating_sub(1).max(FIRST);
        let zeros = below.leading_zeros();
        let doubling = (FIRST.leading_zeros() - zeros) as usize;
        let scaled = below << zeros;
        let (roots_below, root) = SIXTEENTHS[(scaled >> 59) as usize & 15];
        doubling * PER_DOUBLING + roots_below + usize::from(scaled >= root) - ROOTS.len()
    }

    /// Counts a duration. One of over 272 years counts as that.
    #[inline]
    pub fn record(&mut self, duration: Duration) {
        let nanos = duration.as_secs().min(LONGEST) * NANOS_PER_SECOND + u64::from(duration.subsec_nanos());
        self.buckets[Self::bucket(duration)] += 1;
        self.count += 1;
        self.sum += u128::from(nanos);
        self.max = self.max.max(nanos);
    }

    /// Returns the number of durations.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns the sum of all durations.
    #[must_use]
    pub fn sum(&self) -> Duration {
        let seconds = u64::try_from(self.sum / u128::from(NANOS_PER_SECOND)).unwrap_or(u64::MAX);
        let nanos = u32::try_from(self.sum % u128::from(NANOS_PER_SECOND)).unwrap_or_default();
        Duration::new(seconds, nanos)
    }

    /// Returns the number of durations of at most `2^power` seconds, for a power from -20 to 12.
    #[must_use]
    pub fn up_to(&self, power: i32) -> u64 {
        let last = (power.clamp(LOWEST, HIGHEST) - LOWEST) as usize * PER_DOUBLING;
        self.buckets[..=last].iter().sum()
    }

    /// Returns the durations that were counted after `earlier`, which is an earlier state of this distribution.
    /// The maximum is that of all.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (bucket, before) in since.buckets.iter_mut().zip(earlier.buckets.iter()) {
            *bucket = bucket.saturating_sub(*before);
        }
        since.count = self.count.saturating_sub(earlier.count);
        since.sum = self.sum.saturating_sub(earlier.sum);
        since
    }

    /// Returns count, sum, maximum and percentiles.
    #[must_use]
    pub fn latency(&self) -> Latency {
        Latency {
            count: self.count,
            sum: self.sum(),
            p50_us: self.percentile(50),
            p99_us: self.percentile(99),
            max_us: self.max / 1_000,
        }
    }

    /// Returns a duration, in microseconds, that `percent` of all do not exceed.
    fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return middle(index).min(self.max / 1_000);
            }
        }
        0
    }
}

const fn sixteenths() -> [(usize, u64); 16] {
    let mut table = [(0, u64::MAX); 16];
    let mut sixteenth = 0;
    while sixteenth < 16 {
        let start = (1 << 63) + ((sixteenth as u64) << 59);
        let mut below = 0;
        while below < ROOTS.len() && ROOTS[below] <= start {
            below += 1;
        }
        let next = if below < ROOTS.len() { ROOTS[below] } else { u64::MAX };
        table[sixteenth] = (below, next);
        sixteenth += 1;
    }
    table
}

/// Returns the geometric middle of a bucket, in microseconds.
fn middle(bucket: usize) -> u64 {
    if bucket == 0 {
        return 0;
    }
    let middle = (bucket as f64 - 0.5) / PER_DOUBLING as f64 + f64::from(LOWEST);
    let rounded = Duration::from_secs_f64(middle.exp2()) + Duration::from_nanos(500);
    u64::try_from(rounded.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
