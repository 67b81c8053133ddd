//! Durations, and what is told of many of them.

use serde::Serialize;
use std::time::Duration;

/// Durations in nanoseconds, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample(Vec<u64>);

/// The statistics of a sample, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    pub count: usize,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
}

impl FromIterator<Duration> for Sample {
    fn from_iter<T: IntoIterator<Item = Duration>>(times: T) -> Self {
        times.into_iter().map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)).collect()
    }
}

impl FromIterator<u64> for Sample {
    fn from_iter<T: IntoIterator<Item = u64>>(nanos: T) -> Self {
        let mut nanos: Vec<u64> = nanos.into_iter().collect();
        nanos.sort_unstable();
        Self(nanos)
    }
}

impl Sample {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the duration that this share of all does not exceed, in microseconds. 0 of none.
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the sample")]
        let at = (last as f64 * share).round() as usize;
        self.0.get(at).map_or(0.0, |&nanos| nanos as f64 / 1e3)
    }

    pub fn summary(&self) -> Summary {
        let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|share| self.quantile(share));
        Summary { count: self.0.len(), p50, p90, p99, p999 }
    }

    /// Returns all of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        self.0.into_iter().chain(other.0).collect()
    }
}

/// Returns the middle one. 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_members_of_the_sample() {
        let sample: Sample = (1..=1000).rev().map(Duration::from_micros).collect();
        assert_eq!((sample.quantile(0.0), sample.quantile(1.0)), (1.0, 1000.0));
        assert_eq!((sample.quantile(0.5), sample.quantile(0.99)), (501.0, 990.0));
        assert_eq!(Sample::default().quantile(0.5), 0.0);
    }

    #[test]
    fn a_median_does_not_care_for_the_rest() {
        assert_eq!(median(&[9e9, 2.0, 1.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
    }
}
