//! Counts requests by route, method and status, and their times by route. A request adds to three counters that
//! are there from the start: no lock, and no memory that grows with what clients send.

use super::page::{JOB_TIMES, Page};
use super::paths::Paths;
use http::{Method, StatusCode};
use procpool_protocol::engine::Distribution;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The methods that are told apart.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

/// The statuses that are told apart, of which the last stands for all others.
const STATUSES: [&str; 30] = [
    "200", "202", "204", "206", "304", "400", "401", "403", "404", "405", "406", "408", "409", "410", "412",
    "413", "415", "422", "424", "428", "429", "431", "499", "500", "501", "502", "503", "504", "507",
    "other",
];

/// The buckets of a route's times: those of jobs, and one for longer times.
const BUCKETS: usize = JOB_TIMES.len() + 1;

/// Counters of requests and connections. Every listener of a server has the same.
pub(crate) struct Traffic {
    paths: Paths,
    /// By path, method and status.
    requests: Box<[AtomicU64]>,
    /// By path.
    times: Box<[Times]>,
    connections: AtomicUsize,
    /// Whether each request is a line of the access log.
    pub(crate) logs: bool,
}

#[derive(Default)]
struct Times {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl fmt::Debug for Traffic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Traffic").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl Traffic {
    pub(crate) fn new(logs: bool) -> Arc<Self> {
        let paths = Paths::new();
        let counters = paths.len() * METHODS.len() * STATUSES.len();
        let requests = (0..counters).map(|_| AtomicU64::new(0)).collect();
        let times = (0..paths.len()).map(|_| Times::default()).collect();
        Arc::new(Self { paths, requests, times, connections: AtomicUsize::new(0), logs })
    }

    /// Begins a request.
    pub(crate) fn begin(&self, method: &Method, path: &str) -> Request {
        Request { path: self.paths.number(path), method: method_number(method), begun: Instant::now() }
    }

    /// Counts a request that is answered: the head of its answer is there. Returns the time that it took.
    pub(crate) fn end(&self, request: &Request, status: StatusCode) -> Duration {
        let Request { path, method, begun } = *request;
        let (took, status) = (begun.elapsed(), status_number(status));
        self.requests[(path * METHODS.len() + method) * STATUSES.len() + status].fetch_add(1, Relaxed);
        let times = &self.times[path];
        times.buckets[bucket(took)].fetch_add(1, Relaxed);
        times.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        took
    }

    /// Returns the template of a request's route.
    pub(crate) fn route(&self, request: &Request) -> &'static str {
        self.paths.template(request.path)
    }

    /// Counts a connection, until the result is dropped.
    pub(crate) fn connect(self: &Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Relaxed);
        Connected(self.clone())
    }

    /// Writes the routes that were asked for.
    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let requests = self.requests.iter().enumerate().filter_map(|(index, count)| {
            let count = Some(count.load(Relaxed)).filter(|&count| count > 0)?;
            let (rest, status) = (index / STATUSES.len(), index % STATUSES.len());
            let route = self.paths.template(rest / METHODS.len());
            let method = METHODS[rest % METHODS.len()];
            Some(([("route", route), ("method", method), ("status", STATUSES[status])], count))
        });
        let help = "Number of requests by route, method and status; 499: the client left before the answer";
        page.counters("procpool_http_requests", help, requests)?;
        let times = self.times.iter().enumerate().filter_map(|(path, times)| {
            let counts: Vec<_> = times.buckets.iter().map(|count| count.load(Relaxed)).collect();
            if counts.iter().all(|&count| count == 0) {
                return None;
            }
            let bounds = JOB_TIMES.iter().map(|&power| f64::from(power).exp2()).chain([f64::INFINITY]);
            let sum = Duration::from_nanos(times.nanos.load(Relaxed)).as_secs_f64();
            Some(([("route", self.paths.template(path))], sum, bounds.zip(counts).collect()))
        });
        let help = "Time from a request's head to the head of its answer, in seconds";
        page.counted_histograms("procpool_http_request_seconds", help, times)?;
        let connections = self.connections.load(Relaxed) as f64;
        page.gauge("procpool_http_connections", "Number of open connections", connections)
    }
}

/// A request that is being answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    path: usize,
    method: usize,
    begun: Instant,
}

/// A connection that is counted.
#[derive(Debug)]
pub(crate) struct Connected(Arc<Traffic>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// Returns the bucket of a time, whose bounds are every other power of two.
fn bucket(took: Duration) -> usize {
    let first = (JOB_TIMES[0] + 20).unsigned_abs() as usize * 8;
    Distribution::bucket(took).saturating_sub(first).div_ceil(16).min(JOB_TIMES.len())
}

fn method_number(method: &Method) -> usize {
    METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(METHODS.len() - 1)
}

fn status_number(status: StatusCode) -> usize {
    let known = &STATUSES[..STATUSES.len() - 1];
    known.binary_search(&status.as_str()).unwrap_or(STATUSES.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_where_it_belongs() {
        assert!(STATUSES.is_sorted());
        let index = |status: u16| STATUSES[status_number(StatusCode::from_u16(status).unwrap())];
        assert_eq!((index(200), index(504), index(418)), ("200", "504", "other"));
        let method = |name: &str| METHODS[method_number(&Method::from_bytes(name.as_bytes()).unwrap())];
        assert_eq!((method("PATCH"), method("BREW")), ("PATCH", "other"));
    }

    #[test]
    fn a_time_is_counted_up_to_the_bound_above_it() {
        for (index, &power) in JOB_TIMES.iter().enumerate() {
            let bound = Duration::from_secs_f64(f64::from(power).exp2());
            assert_eq!(bucket(bound), index);
            assert_eq!(bucket(bound + bound / 20), index + 1);
        }
        assert_eq!((bucket(Duration::ZERO), bucket(Duration::MAX)), (0, JOB_TIMES.len()));
    }
}
