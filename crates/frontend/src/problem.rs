//! An RFC 9457 problem on its way to a client: what every refusal and every failed job looks like.
//! Knows JSON and headers; which error becomes which problem is decided elsewhere.

use crate::kind::Kind;
use crate::trace;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use procpool_protocol::printable::{printable_json, printable_lines};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::time::Duration;

/// Time after which a client should retry at an overloaded server.
const SOON: Duration = Duration::from_secs(1);

/// The reason of a refusal because of the answers that clients have not taken.
pub(crate) const ANSWERS_FULL: &str = "answers_full";

/// One occurrence of a [`Kind`].
#[derive(Debug)]
pub(crate) struct Problem(Box<Parts>);

/// Boxed, as a `Result` with a problem in it should not weigh more than its good side.
#[derive(Debug)]
struct Parts {
    kind: Kind,
    status: StatusCode,
    detail: String,
    outcome: Option<&'static str>,
    may_have_run: bool,
    members: Vec<(&'static str, Box<RawValue>)>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// Returns a problem without outcome, of a request whose job certainly did not run.
    pub(crate) fn new(kind: Kind, status: StatusCode, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            status,
            // A person reads it, and there is text of others in it.
            detail: printable_lines(&detail.into()),
            outcome: None,
            may_have_run: false,
            members: Vec::new(),
            retry_after: None,
        }))
    }

    /// Adds the name of the job's outcome.
    pub(crate) fn outcome(mut self, name: &'static str) -> Self {
        self.0.outcome = Some(name);
        self
    }

    /// Adds whether the job may have had side effects.
    pub(crate) fn may_have_run(mut self, may: bool) -> Self {
        self.0.may_have_run = may;
        self
    }

    /// Adds another member. A value that cannot be serialized is left out: it explains the problem, and must
    /// not replace it.
    pub(crate) fn with<T: Serialize + ?Sized>(mut self, name: &'static str, value: &T) -> Self {
        if let Ok(json) = to_raw_value(value) {
            self.0.members.push((name, json));
        }
        self
    }

    /// Adds text to its detail.
    pub(crate) fn adding(mut self, more: &str) -> Self {
        self.0.detail += &printable_lines(more);
        self
    }

    /// Adds a `Retry-After`, if the time is known.
    pub(crate) fn retry_after(mut self, after: Option<Duration>) -> Self {
        self.0.retry_after = after;
        self
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = &*self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("/problems/{}", parts.kind.name()))?;
        map.serialize_entry("title", parts.kind.title())?;
        map.serialize_entry("status", &parts.status.as_u16())?;
        map.serialize_entry("detail", &parts.detail)?;
        if let Some(outcome) = parts.outcome {
            map.serialize_entry("outcome", outcome)?;
        }
        map.serialize_entry("may_have_run", &parts.may_have_run)?;
        if let Some(trace) = trace::current() {
            map.serialize_entry("trace_id", trace.trace_id())?;
        }
        for (name, value) in &parts.members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).unwrap_or_else(|_| "{}".into());
        // Its members are the words of others to the letter, and a person may see the body as it is.
        let mut response = Response::new(Body::from(printable_json(&body).into_owned()));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        // Some of these statuses (404, 405) may be cached without being asked, and none stays true.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        response
    }
}

/// Returns the 503 of an overloaded server, for a request whose job did not run.
pub(crate) fn overloaded(detail: &str) -> Problem {
    Problem::new(Kind::Overloaded, StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(Some(SOON))
}

/// Rounds up to whole seconds, which `Retry-After` counts: rounding down would send the client back too
/// early.
fn whole_seconds(after: Duration) -> u64 {
    after.as_secs() + u64::from(after.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_rounds_up_to_whole_seconds() {
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::from_millis(2001)), 3);
        assert_eq!(whole_seconds(Duration::from_nanos(1)), 1);
    }
}
