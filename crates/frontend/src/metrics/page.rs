//! Writes families of series through the encoder of `prometheus-client`, from numbers that others count.

use procpool_protocol::engine::Distribution;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;

/// The upper bounds of the buckets of jobs' times, as powers of two, in seconds: a quarter of a millisecond to
/// four minutes. They are bounds of [`Distribution`], so that counts are exact.
pub(super) const JOB_TIMES: &[i32] = &[-12, -10, -8, -6, -4, -2, 0, 2, 4, 6, 8];

/// The same of the starts of workers.
pub(super) const START_TIMES: &[i32] = &[-8, -6, -4, -2, 0, 2, 4];

type NoLabels = [(&'static str, &'static str); 0];

/// The page that is written.
pub(super) struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Writes constant labels. `_info` is added to the name.
    pub(super) fn info<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [(&str, &str); N],
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }

    /// Writes a counter. `_total` is added to the name.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabels, f64, f64>(&value, None)
    }

    /// Writes a counter for each of these labels. `_total` is added to the name.
    pub(super) fn counters<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        series.into_iter().try_for_each(|(labels, value)| {
            family.encode_family(&labels)?.encode_counter::<NoLabels, V, f64>(&value, None)
        })
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    pub(super) fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        series.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    /// Writes a histogram for each of these labels, with buckets that end at these powers of two.
    pub(super) fn histograms<'d, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        powers: &[i32],
        series: impl IntoIterator<Item = (L, &'d Distribution)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        series.into_iter().try_for_each(|(labels, times)| {
            let mut before = 0;
            let buckets = powers.iter().map(|&power| {
                let up_to = times.up_to(power);
                let inside = up_to - std::mem::replace(&mut before, up_to);
                (f64::from(power).exp2(), inside)
            });
            let mut buckets: Vec<_> = buckets.collect();
            let (sum, count) = (times.sum().as_secs_f64(), times.count());
            // OpenMetrics needs a last bucket that holds all; only the encoder of the older format would add it.
            buckets.push((f64::INFINITY, count.saturating_sub(before)));
            family.encode_family(&labels)?.encode_histogram::<NoLabels>(sum, count, &buckets, None)
        })
    }

    /// Writes a histogram for each of these labels, of buckets that were counted one by one.
    pub(super) fn counted_histograms<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, f64, Vec<(f64, u64)>)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        series.into_iter().try_for_each(|(labels, sum, buckets)| {
            let count = buckets.iter().map(|(_, count)| count).sum();
            family.encode_family(&labels)?.encode_histogram::<NoLabels>(sum, count, &buckets, None)
        })
    }
}
