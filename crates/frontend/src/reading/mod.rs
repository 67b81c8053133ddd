//! A job that is read as it runs: its events as server-sent events or JSON lines, or the raw bytes of its chunks.
//!
//! The answer's body takes the job's events as far as the client takes the answer. A job whose chunks are not taken waits.

mod events;
mod format;
mod raw;

use format::Format;

use crate::access::Permit;
use crate::answer;
use crate::app::Shared;
use crate::detaching;
use crate::kind::Kind;
use crate::lent::Memory;
use crate::problem::Problem;
use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use procpool_protocol::JobId;
use procpool_protocol::engine::{BoxFuture, JobEvents, JobLimits, Submission, Watched};
use procpool_protocol::outcome::Finished;
use std::sync::Arc;

/// Asks proxies of one make to pass an answer on as it comes.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A job that runs, with what its reader waits for. Dropping it ends the job as `on_disconnect` says.
struct Reading {
    job: JobId,
    asked: JobLimits,
    /// `None` once there are no further ones.
    events: Option<JobEvents>,
    /// `None` once it was told.
    outcome: Option<BoxFuture<'static, Finished>>,
    /// The job's part of a quota, which counts as long as the job is read.
    _permit: Permit,
}

/// Returns the form in which a request wants to read its job as it runs, or `None` if it wants the outcome.
///
/// # Errors
/// 406 for the events of a job that outlives its request: its own page has them.
pub(crate) fn format(
    version: Version,
    headers: &HeaderMap,
    outlives: bool,
) -> Result<Option<Format>, Problem> {
    match Format::of(headers) {
        // The end of such an answer is that of its connection: one that breaks off would look whole.
        Some(Format::Raw) if version < Version::HTTP_11 => Ok(None),
        Some(Format::Events | Format::Lines) if outlives => {
            let detail = "failed to answer with the events of a job that has an Idempotency-Key or a preference; send \
                          it with `Prefer: respond-async`, without this `Accept`, and read /v1/jobs/{id}/events";
            Err(Problem::new(Kind::NotAcceptable, StatusCode::NOT_ACCEPTABLE, detail))
        }
        // Clients ask for this type of ordinary outputs, too.
        Some(Format::Raw) if outlives => Ok(None),
        format => Ok(format),
    }
}

/// Runs one job and answers while it runs.
///
/// # Errors
/// The problem of a job that is not accepted, or of one whose answer has not begun.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    job: Submission,
    format: Format,
    memory: Option<Memory>,
    permit: Permit,
) -> Result<Response, Problem> {
    if shared.answers.is_spent() {
        return Err(answer::no_room());
    }
    match format {
        Format::Events | Format::Lines => {
            let place = shared.live.enter()?;
            Ok(events::answer(shared, begin(shared, job, permit)?, format, place))
        }
        Format::Raw => {
            let place = shared.live.enter()?;
            raw::answer(begin(shared, job, permit)?, place, memory).await
        }
    }
}

fn begin(shared: &Shared, job: Submission, permit: Permit) -> Result<Reading, Problem> {
    let asked = job.limits;
    let Watched { accepted, events, .. } =
        shared.app.engine.submit_watched(JobId::from_bits(rand::random()), job)?;
    tracing::debug!(job = %accepted.id, "accepted");
    let id = accepted.id;
    let outcome = detaching::outcome(accepted, shared.app.config.on_disconnect, &permit);
    Ok(Reading { job: id, asked, events: Some(events), outcome: Some(outcome), _permit: permit })
}

/// Returns a 200 whose body is sent as it comes, of this job if it is of one.
pub(crate) fn live(content_type: &'static str, job: Option<JobId>, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(job) = job {
        headers.insert(answer::JOB_ID, answer::ascii(job.to_string()));
    }
    response
}
