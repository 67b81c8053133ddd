//! The page of `GET /metrics`: the figures of pools, of the registry, of this frontend and of its process, in the
//! two text formats of Prometheus. `traffic` counts requests, everything else is read when it is asked for.
//!
//! The values of labels are names of pools, or come from fixed sets: no series appears with a worker or a job.

mod page;
mod paths;
mod pools;
mod process;
mod traffic;
mod usage;

use self::page::Page;
use flate2::Compression;
use flate2::write::GzEncoder;
use procpool_protocol::engine::{PoolFigures, PoolUsage};
use procpool_registry::Usage;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

pub(crate) use traffic::{Request, Traffic};
pub(crate) use usage::Usages;

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Version 1.0.0 of `OpenMetrics`.
    OpenMetrics,
    /// Version 0.0.4 of Prometheus' own.
    Prometheus,
}

impl Format {
    /// Returns the format that a client accepts: `OpenMetrics` if `Accept` names it with no lower weight than plain
    /// text, and otherwise the older one, which every client reads.
    pub(crate) fn of(accept: Option<&str>) -> Self {
        let open_metrics = weight(accept, "application/openmetrics-text");
        match open_metrics > 0.0 && open_metrics >= weight(accept, "text/plain") {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// Returns the content type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// Returns whether a client takes gzip, as Prometheus does.
pub(crate) fn takes_gzip(accept_encoding: Option<&str>) -> bool {
    weight(accept_encoding, "gzip") > 0.0
}

/// Returns the text as gzip. A page of twenty pools is a tenth of its size then.
pub(crate) fn gzip(text: &str) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    gzip.write_all(text.as_bytes())?;
    gzip.finish()
}

/// Returns the weight that a list such as `Accept` gives to a name, 0 if it is not there.
fn weight(list: Option<&str>, wanted: &str) -> f32 {
    let items = list.unwrap_or_default().split(',').filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        parts.next().filter(|name| name.eq_ignore_ascii_case(wanted))?;
        let quality = parts.find_map(|part| part.strip_prefix("q="));
        Some(quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0)))
    });
    items.fold(0.0, f32::max)
}

/// Everything that is shown, as it is now.
#[derive(Debug)]
pub(crate) struct Scrape {
    /// The pools that the client may see.
    pub(crate) pools: Vec<PoolFigures>,
    /// The memory and processor time of their workers at the scrape before, by pool.
    pub(crate) usages: BTreeMap<String, Arc<PoolUsage>>,
    pub(crate) stored: Usage,
    pub(crate) stored_event_bytes: u64,
    pub(crate) event_streams: usize,
    pub(crate) traffic: Arc<Traffic>,
    /// The commit that the server was built from.
    pub(crate) revision: &'static str,
}

impl Scrape {
    /// Writes all of it.
    ///
    /// # Errors
    /// None: a string takes any text.
    pub(crate) fn write(self, format: Format) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(4096 + 8192 * self.pools.len());
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        match format {
            Format::OpenMetrics => text::encode(&mut text, &registry)?,
            Format::Prometheus => prometheus_text::encode(&mut text, &registry)?,
        }
        Ok(text)
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        page.info(
            "procpool_build",
            "The version of the server",
            [("version", env!("CARGO_PKG_VERSION")), ("revision", self.revision)],
        )?;
        pools::write(&mut page, &self.pools)?;
        pools::write_usages(&mut page, &self.pools, &self.usages)?;
        page.gauge("procpool_jobs_stored", "Number of remembered jobs", self.stored.records as f64)?;
        let Usage { record_bytes, result_bytes, input_bytes, .. } = self.stored;
        let bytes = record_bytes + result_bytes + input_bytes + self.stored_event_bytes;
        page.gauge(
            "procpool_jobs_stored_bytes",
            "Bytes of the records, inputs, results and events of remembered jobs",
            bytes as f64,
        )?;
        page.gauge(
            "procpool_idempotency_keys",
            "Number of remembered idempotency keys",
            self.stored.keys as f64,
        )?;
        self.traffic.write(&mut page)?;
        page.gauge(
            "procpool_event_streams",
            "Number of open streams of jobs' events",
            self.event_streams as f64,
        )?;
        process::write(&mut page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_open_metrics_if_it_likes_them_no_less() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::of(Some(prometheus)), Format::OpenMetrics);
        assert_eq!(Format::of(Some("application/openmetrics-text; version=1.0.0")), Format::OpenMetrics);
        let older = "text/plain; version=0.0.4, application/openmetrics-text;q=0.2";
        for accept in
            [None, Some("*/*"), Some("text/html"), Some(older), Some("application/openmetrics-text;q=0")]
        {
            assert_eq!(Format::of(accept), Format::Prometheus, "{accept:?}");
        }
    }
}
