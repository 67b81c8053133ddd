//! Opens what reads texts of clients, and what shows bytes of workers, to the fuzz targets, without a connection. Not
//! compiled otherwise.

use crate::origin::OriginRule;
use crate::params::{JOB_LIMITS, Parameters};
use crate::prefer::{PREFER, Preferences};
use crate::{content_type, embedded, event_view, filter, head, sse};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, Version};
use procpool_protocol::engine::JobLimits;
use procpool_protocol::{Encoding, Payload};

/// The frontend's reading of a well-formed head.
#[derive(Debug)]
pub struct Judged {
    /// The host that is asked.
    pub host: Option<String>,
    /// Whether a server on loopback, without other names, takes the request for a foreign page's.
    pub is_foreign: bool,
    /// Whether it takes the request for one that a page has embedded.
    pub is_embedded: bool,
    /// The input's encoding, unless it is refused.
    pub encoding: Option<Encoding>,
    /// The limits in the query, unless it is refused.
    pub limits: Option<JobLimits>,
}

/// Judges a head as the routes do. `None` if it is malformed.
pub fn judge(version: Version, uri: &Uri, headers: &HeaderMap) -> Option<Judged> {
    let host = head::check(version, uri, headers).ok()?;
    let loopback = OriginRule::new(None, &[]);
    let limits = Parameters::of(uri, &JOB_LIMITS).and_then(|parameters| parameters.job_limits());
    Some(Judged {
        is_foreign: loopback.check(host.as_ref(), headers).is_err(),
        is_embedded: embedded::refuse(host.as_ref(), headers).is_err(),
        encoding: content_type::input_encoding(headers).ok(),
        limits: limits.ok(),
        host: host.map(|host| host.to_string()),
    })
}

/// Returns what a `Prefer` asks for: `respond-async`, the seconds of `wait`, and what an answer says was applied.
pub fn preferences(prefer: &HeaderValue) -> (bool, Option<u64>, Option<String>) {
    let preferences = Preferences::of(&HeaderMap::from_iter([(PREFER, prefer.clone())]));
    (preferences.respond_async, preferences.wait.map(|wait| wait.as_secs()), preferences.applied())
}

/// Returns whether these are conditions on jobs of the pool `fib`.
pub fn is_filter<'a>(conditions: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
    filter::of(conditions, &["fib".to_owned()]).is_ok()
}

/// Returns a chunk of a job as a server-sent event, and its JSON.
pub fn chunk_event(chunk: &Payload) -> (Bytes, String) {
    let (name, data) = event_view::chunk(chunk);
    (sse::event(name, Some(7), &data), data)
}
