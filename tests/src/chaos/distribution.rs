//! Times in constant memory: each is counted in a bucket that is at most 1.6 % wide.

use std::time::Duration;

/// Buckets to a power of two.
const FINE: u64 = 64;

/// Up to 2³² µs, more than an hour.
const BUCKETS: usize = 28 * 64;

/// A distribution of times.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    counts: Vec<u64>,
    pub(crate) count: u64,
    longest: Duration,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0, longest: Duration::ZERO }
    }
}

impl Distribution {
    pub(crate) fn record(&mut self, time: Duration) {
        self.counts[bucket(time)] += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    pub(crate) fn spread(&self) -> Spread {
        Spread { count: self.count, p50: self.percentile(50), p99: self.percentile(99) }
    }

    /// Returns the time that this percentage did not exceed, or zero if there are none.
    fn percentile(&self, percent: u64) -> Duration {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut passed = 0;
        let found = self.counts.iter().position(|count| {
            passed += count;
            passed >= rank
        });
        found.map_or(Duration::ZERO, |bucket| upper_end(bucket).min(self.longest))
    }
}

/// Half of some times were no longer than `p50`, 99 of 100 no longer than `p99`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) count: u64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Returns the bucket of a time. The first `FINE` are a microsecond each; from there on each power of two has `FINE`.
fn bucket(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let power = u64::from(micros.max(1).ilog2()).saturating_sub(6);
    let index = power * FINE + (micros >> power);
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

fn upper_end(bucket: usize) -> Duration {
    let bucket = bucket as u64;
    let power = (bucket / FINE).saturating_sub(1);
    let within = bucket - power * FINE;
    Duration::from_micros(((within + 1) << power) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_its_bucket_and_close_to_its_end() {
        for micros in (0..5000).chain((5000..10_000_000).step_by(997)) {
            let time = Duration::from_micros(micros);
            let end = upper_end(bucket(time));
            assert!(time <= end, "{time:?} is beyond {end:?}");
            assert!(end <= time + time / 60, "{time:?} is far from {end:?}");
        }
    }

    #[test]
    fn percentiles_count_from_below() {
        let mut distribution = Distribution::default();
        (1..=1000).for_each(|millis| distribution.record(Duration::from_millis(millis)));
        let at = |percent| distribution.percentile(percent).as_millis();
        assert!((500..=508).contains(&at(50)), "{}", at(50));
        assert!((990..=1000).contains(&at(99)), "{}", at(99));
        assert_eq!(distribution.percentile(100), Duration::from_secs(1));
    }

    #[test]
    fn nothing_has_no_percentile_and_an_age_is_counted_last() {
        let mut distribution = Distribution::default();
        assert_eq!(distribution.percentile(99), Duration::ZERO);
        distribution.record(Duration::from_secs(1 << 40));
        assert_eq!(distribution.counts[BUCKETS - 1], 1);
    }
}
