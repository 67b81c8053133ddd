//! The requests about jobs.

use crate::filter::Filter;
use crate::request::Request;
use crate::target::Target;
use crate::upload::Upload;
use http::header::{ACCEPT, IF_NONE_MATCH};
use http::{HeaderName, HeaderValue, Method};
use serde_json::json;
use std::time::Duration;

const JOBS: &str = "/v1/jobs";

const PREFER: HeaderName = HeaderName::from_static("prefer");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Maximum length of a key, in bytes.
const LONGEST_KEY: usize = 255;

/// The name under which a job is run at most once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(HeaderValue);

/// A text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has 1 to {LONGEST_KEY} visible ASCII characters")]
pub struct InvalidKey;

impl std::str::FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let is_key =
            (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_key {
            return Err(InvalidKey);
        }
        // A string of structured fields (RFC 9651).
        let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        HeaderValue::from_str(&quoted).map(Self).map_err(|_| InvalidKey)
    }
}

/// A job as it is sent, but for its input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Submit {
    /// The pool.
    pub pool: String,
    /// The name under which it is run at most once.
    pub key: Option<Key>,
    /// `high`, `normal` or `low`.
    pub priority: Option<String>,
    /// Whose turn it is.
    pub tenant: Option<String>,
    /// Maximum time for queue and run together.
    pub timeout: Option<Duration>,
    /// Maximum time for the run alone.
    pub run_timeout: Option<Duration>,
    /// Time after which it runs.
    pub delay: Option<Duration>,
    /// When it runs (RFC 3339).
    pub run_at: Option<String>,
    /// Whether the input is raw bytes instead of JSON.
    pub bytes: bool,
    /// Whether the answer is the accepted job, and not its output.
    pub detached: bool,
    /// Maximum time for which the answer waits for the output. After that it is the accepted job.
    pub wait: Option<Duration>,
}

impl Submit {
    /// Returns a job for a pool.
    #[must_use]
    pub fn to(pool: impl Into<String>) -> Self {
        Self { pool: pool.into(), ..Self::default() }
    }

    /// Returns the request.
    #[must_use]
    pub fn request(&self, input: Upload) -> Request {
        let target = Target::new("/v1/pools").segment(&self.pool).segment("jobs");
        let target = target.maybe("timeout", written(self.timeout).as_deref());
        let target = target.maybe("run_timeout", written(self.run_timeout).as_deref());
        let target = target.maybe("delay", written(self.delay).as_deref());
        let target = target.maybe("run_at", self.run_at.as_deref());
        let target = target.maybe("priority", self.priority.as_deref());
        let target = target.maybe("tenant", self.tenant.as_deref());
        let content_type = if self.bytes { "application/octet-stream" } else { "application/json" };
        let mut request = Request::post(target).body(content_type, input);
        if let Some(Key(key)) = &self.key {
            request = request.header(IDEMPOTENCY_KEY, key.clone());
        }
        if self.detached {
            request = request.header(PREFER, HeaderValue::from_static("respond-async"));
        }
        match self.wait {
            Some(wait) => request.header(PREFER, wait_of(wait)),
            None => request,
        }
    }
}

/// Returns a duration as the parameters of the server take it.
pub(crate) fn written(duration: Option<Duration>) -> Option<String> {
    duration.map(|duration| humantime::format_duration(duration).to_string())
}

/// Returns the request for a job's record.
#[must_use]
pub fn show(id: &str) -> Request {
    Request::get(of(id))
}

/// Returns the request for a job's record once it is no longer the one with this tag, or `wait` has passed.
#[must_use]
pub fn changed(id: &str, tag: Option<&HeaderValue>, wait: Duration) -> Request {
    match tag {
        Some(tag) => show(id).header(IF_NONE_MATCH, tag.clone()).header(PREFER, wait_of(wait)),
        None => show(id),
    }
}

fn wait_of(wait: Duration) -> HeaderValue {
    let text = format!("wait={}", wait.as_secs());
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("wait=1"))
}

/// Returns the request for a job's result.
#[must_use]
pub fn result(id: &str) -> Request {
    Request::get(of(id).segment("result"))
}

/// Returns the request for a job's events, from the one after `last` on.
#[must_use]
pub fn events(id: &str, last: Option<&str>) -> Request {
    let request =
        Request::get(of(id).segment("events")).header(ACCEPT, HeaderValue::from_static("text/event-stream"));
    match last.and_then(|last| HeaderValue::from_str(last).ok()) {
        Some(last) => request.header(LAST_EVENT_ID, last),
        None => request,
    }
}

/// Returns the request that cancels a job.
#[must_use]
pub fn cancel(id: &str) -> Request {
    Request::new(Method::DELETE, of(id))
}

/// Returns the request that runs a job's input again, as a new job.
#[must_use]
pub fn rerun(id: &str) -> Request {
    Request::post(of(id).segment("rerun"))
}

/// Returns the request for a page of the jobs that match.
#[must_use]
pub fn list(filter: &Filter, limit: Option<u64>, cursor: Option<&str>) -> Request {
    let target =
        filter.conditions().fold(Target::new(JOBS), |target, (name, value)| target.query(name, value));
    let limit = limit.map(|limit| limit.to_string());
    Request::get(target.maybe("limit", limit.as_deref()).maybe("cursor", cursor))
}

/// Returns the request that cancels all jobs that match, or that only counts them.
#[must_use]
pub fn cancel_where(filter: &Filter, dry_run: bool) -> Request {
    let body = json!({ "filter": filter.to_json(), "dry_run": dry_run });
    Request::post(Target::new("/v1/jobs/cancel")).json("application/json", &body)
}

/// Returns the request that runs the finished jobs that match again, from `cursor` on, or that only counts them.
#[must_use]
pub fn rerun_where(filter: &Filter, dry_run: bool, cursor: Option<&str>) -> Request {
    let mut body = json!({ "filter": filter.to_json(), "dry_run": dry_run });
    if let Some(cursor) = cursor {
        body["cursor"] = cursor.into();
    }
    Request::post(Target::new("/v1/jobs/rerun")).json("application/json", &body)
}

fn of(id: &str) -> Target {
    Target::new(JOBS).segment(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(request: &'a Request, name: &HeaderName) -> Option<&'a str> {
        let (_, value) = request.headers.iter().find(|(given, _)| given == name)?;
        value.to_str().ok()
    }

    #[test]
    fn a_job_is_sent_with_what_was_asked_for_and_nothing_else() {
        let plain = Submit::to("fib").request(Upload::full("40"));
        assert_eq!(plain.line(), "POST /v1/pools/fib/jobs");
        assert_eq!(plain.headers.len(), 1);
        let job = Submit {
            key: Some("order-7".parse().unwrap()),
            priority: Some("low".into()),
            tenant: Some("a&b".into()),
            timeout: Some(Duration::from_millis(90_500)),
            run_timeout: Some(Duration::from_secs(2)),
            bytes: true,
            detached: true,
            ..Submit::to("a/b")
        };
        let request = job.request(Upload::empty());
        assert_eq!(
            request.line(),
            "POST /v1/pools/a%2Fb/jobs?timeout=1m%2030s%20500ms&run_timeout=2s&priority=low&tenant=a%26b"
        );
        assert_eq!(header(&request, &PREFER), Some("respond-async"));
        assert_eq!(header(&request, &IDEMPOTENCY_KEY), Some("\"order-7\""));
        assert_eq!(header(&request, &http::header::CONTENT_TYPE), Some("application/octet-stream"));
    }

    #[test]
    fn an_answer_waits_for_as_long_as_it_may() {
        let job = Submit { wait: Some(Duration::from_secs(25)), ..Submit::to("fib") };
        assert_eq!(header(&job.request(Upload::empty()), &PREFER), Some("wait=25"));
    }

    #[test]
    fn a_key_is_visible_ascii_in_quotes() {
        assert_eq!(r#"a"b\c"#.parse::<Key>().unwrap().0, r#""a\"b\\c""#);
        for text in ["", "a b", "ä", "a\n", &"x".repeat(256)] {
            assert_eq!(text.parse::<Key>(), Err(InvalidKey), "{text}");
        }
    }

    #[test]
    fn jobs_are_asked_for_by_id_and_by_filter() {
        assert_eq!(show("8f3a").line(), "GET /v1/jobs/8f3a");
        assert_eq!(result("8f3a").line(), "GET /v1/jobs/8f3a/result");
        assert_eq!(cancel("8f3a").line(), "DELETE /v1/jobs/8f3a");
        assert_eq!(rerun("8f3a").line(), "POST /v1/jobs/8f3a/rerun");
        let filter: Filter = "pool=fib state=queued".parse().unwrap();
        assert_eq!(
            list(&filter, Some(50), Some("c/1")).line(),
            "GET /v1/jobs?pool=fib&state=queued&limit=50&cursor=c%2F1"
        );
        assert_eq!(list(&Filter::default(), None, None).line(), "GET /v1/jobs");
    }

    #[test]
    fn events_resume_and_records_are_waited_for() {
        let request = events("8f3a", Some("7"));
        assert_eq!(request.line(), "GET /v1/jobs/8f3a/events");
        assert_eq!(header(&request, &LAST_EVENT_ID), Some("7"));
        let tag = HeaderValue::from_static("\"3\"");
        let waiting = changed("8f3a", Some(&tag), Duration::from_secs(30));
        assert_eq!(
            (header(&waiting, &IF_NONE_MATCH), header(&waiting, &PREFER)),
            (Some("\"3\""), Some("wait=30"))
        );
        assert!(changed("8f3a", None, Duration::from_secs(30)).headers.is_empty());
    }
}
