//! A token's quota at work: each job of the token takes its part and gives it back at its end, and answers say what is
//! left, as the draft of `RateLimit` wants it.

use super::quota::{Exceeded, Left, Quota, Used};
use crate::kind::Kind;
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Time after which a client of too many jobs at a time should look again.
const SOON: Duration = Duration::from_secs(1);

/// The used part of a token's quota, which lasts while the file of tokens is read again.
#[derive(Clone, Debug)]
pub(super) struct Meter(Arc<Mutex<Used>>);

impl Default for Meter {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Used::nothing(Instant::now()))))
    }
}

impl Meter {
    /// Takes a job's part of the quota.
    pub(super) fn take(&self, quota: Quota) -> Result<Admission, QuotaExceeded> {
        if quota.is_endless() {
            return Ok(Admission { permit: Permit { _part: None }, fields: None });
        }
        let now = Instant::now();
        let (taken, left) = {
            let mut used = self.used();
            let taken = used.take(&quota, now);
            (taken, used.left(&quota, now))
        };
        let fields = Fields::new(quota, left);
        match taken {
            Ok(()) => {
                let permit = Permit { _part: Some(Arc::new(Part(self.clone()))) };
                Ok(Admission { permit, fields: Some(fields) })
            }
            Err(exceeded) => Err(QuotaExceeded { problem: refusal(quota, exceeded), fields }),
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That a job is within its token's quota.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) permit: Permit,
    fields: Option<Fields>,
}

impl Admission {
    /// Adds to the job's answer what is left of the quota.
    pub(crate) fn label(&self, response: Response) -> Response {
        match &self.fields {
            Some(fields) => fields.on(response),
            None => response,
        }
    }
}

/// That a job is not within it.
#[derive(Debug)]
pub(crate) struct QuotaExceeded {
    pub(crate) problem: Problem,
    fields: Fields,
}

impl QuotaExceeded {
    /// Says whether the request has a key, whose job may have run.
    pub(super) fn of_a_key(self, has_key: bool) -> Self {
        Self { problem: if has_key { self.problem.may_have_run(true) } else { self.problem }, ..self }
    }
}

impl IntoResponse for QuotaExceeded {
    fn into_response(self) -> Response {
        self.fields.on(self.problem.into_response())
    }
}

/// A job's part of a quota. It counts until the last clone is dropped, so whatever outlives the request of its job
/// holds one. A handler takes it as an argument.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    _part: Option<Arc<Part>>,
}

#[derive(Debug)]
struct Part(Meter);

impl Drop for Part {
    fn drop(&mut self) {
        self.0.used().end();
    }
}

/// `authorize` has set it on routes that run a job.
impl<S: Send + Sync> FromRequestParts<S> for Permit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or(Self { _part: None }))
    }
}

/// The two header fields.
#[derive(Debug)]
struct Fields {
    policy: String,
    left: String,
}

impl Fields {
    fn new(quota: Quota, left: Left) -> Self {
        let (mut policy, mut now) = (Vec::new(), Vec::new());
        if let Some((most, left)) = quota.max_jobs.zip(left.jobs) {
            policy.push(format!("\"jobs\";q={most};qu=\"concurrent-requests\""));
            now.push(format!("\"jobs\";r={left}"));
        }
        if let Some((rate, (left, refill))) = quota.rate().zip(left.rate) {
            policy.push(format!("\"rate\";q={};w={}", rate.burst, seconds(rate.window()).max(1)));
            now.push(format!("\"rate\";r={left};t={}", seconds(refill)));
        }
        Self { policy: policy.join(", "), left: now.join(", ") }
    }

    fn on(&self, mut response: Response) -> Response {
        for (name, text) in [(POLICY, &self.policy), (LIMIT, &self.left)] {
            // Numbers and our own words: always a value.
            if let Ok(value) = HeaderValue::try_from(text) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn refusal(quota: Quota, exceeded: Exceeded) -> Problem {
    let (policy, limit, after) = match exceeded {
        Exceeded::Jobs => ("jobs", quota.max_jobs, SOON),
        Exceeded::Rate(after) => ("rate", quota.jobs_per_second, after),
    };
    let limit = limit.map_or(0, u32::from);
    let bound = match exceeded {
        Exceeded::Jobs => format!("{limit} jobs of its token wait or run, which is the maximum (`max_jobs`)"),
        Exceeded::Rate(_) => {
            format!("its token may send {limit} jobs a second (`jobs_per_second`), and has sent more")
        }
    };
    let detail = format!("failed to accept the job: {bound}");
    Problem::new(Kind::Refused, StatusCode::TOO_MANY_REQUESTS, detail)
        .with("reason", "quota_exceeded")
        .with("violated-policies", &[policy])
        .with("limit", &limit)
        .retry_after(Some(after))
}
