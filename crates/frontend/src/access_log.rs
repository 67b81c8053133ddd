//! The access log: a line for each request, answered or given up, with sizes and names only, since bodies, headers and queries are the
//! user's data. Probes have none.

use crate::answer::JOB_ID;
use crate::remote::Peer;
use axum::response::Response;
use http::{Method, Request, Version};
use hyper::body::Body as _;
use hyper::body::Incoming;
use procpool_protocol::TraceContext;
use std::sync::Arc;
use std::time::Duration;

/// The part of a line that is known before the answer.
pub(crate) struct AccessLine {
    method: Method,
    path: String,
    version: Version,
    peer: Option<Arc<Peer>>,
    bytes_in: Option<u64>,
    trace: Option<Arc<TraceContext>>,
}

impl AccessLine {
    pub(crate) fn of(request: &Request<Incoming>, trace: Option<&Arc<TraceContext>>) -> Self {
        Self {
            method: request.method().clone(),
            path: request.uri().path().chars().take(200).collect(),
            version: request.version(),
            peer: request.extensions().get::<Arc<Peer>>().cloned(),
            bytes_in: request.body().size_hint().exact(),
            trace: trace.cloned(),
        }
    }

    /// Logs the answer, whose head is there after this time. A 499 was sent to nobody.
    pub(crate) fn log(self, route: &'static str, response: &Response, took: Duration) {
        let Self { method, path, version, peer, bytes_in, trace } = self;
        let peer = peer.map_or_else(|| "the orders socket".to_owned(), |peer| format!("{peer:?}"));
        let bytes_out = response.body().size_hint().exact();
        let job = response.headers().get(JOB_ID).and_then(|job| job.to_str().ok());
        let trace_id = trace.as_deref().map(TraceContext::trace_id);
        let what = if response.status() == 499 { "the client left" } else { "answered" };
        tracing::info!(
            target: "procpool::access",
            %method,
            path,
            route,
            version = ?version,
            status = response.status().as_u16(),
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            bytes_in,
            bytes_out,
            peer,
            job,
            trace_id,
            "{what}"
        );
    }
}
