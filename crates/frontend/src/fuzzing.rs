//! Opens what judges a request's head to the fuzz targets, without a connection. Not compiled otherwise.

use crate::origin::OriginRule;
use crate::params::{JOB_LIMITS, Parameters};
use crate::{content_type, embedded, head};
use http::{HeaderMap, Uri, Version};
use procpool_protocol::Encoding;
use procpool_protocol::engine::JobLimits;

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
