//! A job that a client hands over: it may outlive its request, and a key may say that it was handed over before. The
//! store of jobs decides, this file answers.

use crate::answer;
use crate::app::Shared;
use crate::job_view::{JobView, path_of};
use crate::kind::Kind;
use crate::lent::Memory;
use crate::params;
use crate::prefer::{PREFER, PREFERENCE_APPLIED, Preferences};
use crate::problem::Problem;
use crate::routes::json;
use axum::response::{IntoResponse, Response};
use http::header::{LOCATION, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use procpool_jobs::{Enqueued, Order, fingerprint};
use procpool_protocol::JobId;
use procpool_protocol::outcome::Finished;
use procpool_registry::{Decision, KeyText, Record, Wait};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Time after which a client may look at an unfinished job again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How a client hands its job over.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    preferences: Preferences,
    key: Option<KeyText>,
}

impl Handover {
    /// Returns how a request hands its job over, or `None` if the job ends with the request.
    ///
    /// # Errors
    /// 400 if the key is none.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let (has_prefer, has_key) = (headers.contains_key(PREFER), headers.contains_key(IDEMPOTENCY_KEY));
        if !has_prefer && !has_key {
            return Ok(None);
        }
        let (preferences, key) = (Preferences::of(headers), key(headers)?);
        let is_plain = preferences == Preferences::default() && key.is_none();
        Ok((!is_plain).then_some(Self { preferences, key }))
    }

    /// Returns how a request hands over a job that never ends with it.
    ///
    /// # Errors
    /// 400 if the key is none.
    pub(crate) fn of_asynchronous(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut handover = Self::of(headers)?.unwrap_or_default();
        handover.preferences.respond_async = true;
        Ok(handover)
    }

    /// Returns whether the client does not wait for the outcome without limit.
    pub(crate) fn is_asynchronous(&self) -> bool {
        self.wait() != Wait::Outcome
    }

    fn wait(&self) -> Wait {
        match self.preferences {
            Preferences { wait: Some(_), .. } => Wait::Limited,
            Preferences { respond_async: true, .. } => Wait::None,
            Preferences { .. } => Wait::Outcome,
        }
    }
}

fn key(headers: &HeaderMap) -> Result<Option<KeyText>, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let bad = |reason: String| params::bad("Idempotency-Key", reason);
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => KeyText::parse(key.as_bytes()).map(Some).map_err(|it| bad(it.to_string())),
        (Some(_), Some(_)) => Err(bad("it stands there more than once".into())),
    }
}

/// Hands a job over, and answers as its client wants it.
///
/// Dropping this future ends nothing: the job continues.
pub(crate) async fn run(
    shared: &Shared,
    order: Order,
    handover: Handover,
    memory: Option<Memory>,
) -> Result<Response, Problem> {
    let wait = handover.wait();
    if wait != Wait::None && shared.answers.is_spent() {
        return Err(answer::no_room());
    }
    let mut order = order;
    if let Some(key) = handover.key {
        order.key = Some((key, fingerprint(&order.job).await));
    }
    order.principal = order.job.principal.as_deref().map(Into::into);
    order.wait = wait;
    let enqueued = shared.app.jobs.enqueue(order).await?;
    let preferences = handover.preferences;
    Ok(with_preferences(preferences, decided(shared, enqueued, wait, preferences, memory).await))
}

async fn decided(
    shared: &Shared,
    enqueued: Enqueued,
    wait: Wait,
    preferences: Preferences,
    memory: Option<Memory>,
) -> Response {
    let Enqueued { decision, outcome, .. } = enqueued;
    let record = match decision {
        Decision::Run(record) => {
            tracing::debug!(job = %record.id, "accepted");
            record
        }
        Decision::Attach(record) | Decision::Known(record) => record,
        Decision::Conflict(record) => return in_use(&record),
        Decision::Replay(_, finished) => {
            let mut response = finished_now(&finished, memory).await;
            response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
            return response;
        }
        Decision::Expired(record) => return expired(&record).into_response(),
        Decision::Mismatch(record) => return mismatch(&record).into_response(),
    };
    let ended = match (wait, preferences.wait) {
        (Wait::Outcome, _) => outcome.await,
        (Wait::Limited, Some(limit)) => match tokio::time::timeout(limit, outcome).await {
            Ok(ended) => ended,
            Err(_) => return still_accepted(shared, &record).await,
        },
        _ => return still_accepted(shared, &record).await,
    };
    match ended {
        Some(finished) => finished_now(&finished, memory).await,
        None => gone(record.id).into_response(),
    }
}

async fn finished_now(finished: &Arc<Finished>, memory: Option<Memory>) -> Response {
    answer::of_stored(finished, memory).await
}

/// Returns the 202 of a job that is unfinished, or was when its client last looked.
pub(crate) async fn accepted(shared: &Shared, job: JobId) -> Response {
    match shared.app.jobs.job(job).await {
        Some(record) => unfinished(&record),
        None => missing(shared, job).into_response(),
    }
}

/// Returns the 202 of a job that was accepted. A failed look changes nothing about that: told otherwise, its client
/// would send it again.
async fn still_accepted(shared: &Shared, record: &Record) -> Response {
    match shared.app.jobs.job(record.id).await {
        Some(record) => unfinished(&record),
        None => unfinished(record),
    }
}

fn unfinished(record: &Record) -> Response {
    let job = record.id;
    let mut response = json(&JobView::of(record, None));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(LOCATION, answer::ascii(path_of(job)));
    headers.insert(answer::JOB_ID, answer::ascii(job.to_string()));
    headers.insert(RETRY_AFTER, HeaderValue::from(LOOK_AGAIN.as_secs()));
    response
}

fn with_preferences(preferences: Preferences, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Prefer"));
    if !headers.contains_key(IDEMPOTENT_REPLAYED)
        && let Some(applied) = preferences.applied()
    {
        headers.insert(PREFERENCE_APPLIED, answer::ascii(applied));
    }
    response
}

fn in_use(record: &Record) -> Response {
    let detail = format!(
        "the job {} with this Idempotency-Key is {}; wait for it at {}, or send the request with `Prefer: wait=10` or \
         `Prefer: respond-async`",
        record.id,
        record.state.phase().name(),
        path_of(record.id)
    );
    let problem = Problem::new(Kind::IdempotencyConflict, StatusCode::CONFLICT, detail)
        // It may begin at any moment, and notices of that take their time.
        .may_have_run(true)
        .with("job", &record.id)
        .retry_after(Some(LOOK_AGAIN));
    let mut response = problem.into_response();
    response.headers_mut().insert(LOCATION, answer::ascii(path_of(record.id)));
    response
}

/// Returns the problem of a key that another request has used.
pub(crate) fn mismatch(record: &Record) -> Problem {
    let detail = "this Idempotency-Key belongs to a request with another body or content type; send this one under a \
                  key of its own";
    Problem::new(Kind::IdempotencyMismatch, StatusCode::UNPROCESSABLE_ENTITY, detail).with("job", &record.id)
}

/// Returns the problem of a job whose result is no longer held.
pub(crate) fn expired(record: &Record) -> Problem {
    let outcome = record.state.outcome().map_or("unknown", |outcome| outcome.name());
    let detail = format!(
        "the result of job {} is no longer held: it has expired or made room for others; its outcome was `{outcome}`",
        record.id
    );
    Problem::new(Kind::ResultExpired, StatusCode::GONE, detail)
        .outcome(outcome)
        .may_have_run(record.may_have_run)
        .with("job", &record.id)
}

/// Returns the problem of a job whose input is no longer held.
pub(crate) fn input_expired(job: JobId) -> Problem {
    let detail =
        format!("the input of job {job} is no longer held, so it cannot run again; submit it with its input");
    Problem::new(Kind::InputExpired, StatusCode::GONE, detail).with("job", &job)
}

/// Returns the problem of a job of which the store of jobs has no record, or for which it cannot look now.
pub(crate) fn missing(shared: &Shared, job: JobId) -> Problem {
    let Some(cause) = shared.app.jobs.away(job) else { return gone(job) };
    let detail =
        format!("failed to look for the job {job}: the cluster does not answer: {cause}; try again later");
    Problem::new(Kind::NotReady, StatusCode::SERVICE_UNAVAILABLE, detail)
        // Nobody can say that it has not.
        .may_have_run(true)
        .with("reason", "engine_unreachable")
        .with("job", &job)
        .retry_after(Some(LOOK_AGAIN))
}

/// Returns the problem of an id that no job has, as far as the store of jobs knows.
pub(crate) fn gone(job: impl std::fmt::Display) -> Problem {
    let job: String = job.to_string().chars().take(64).collect();
    let detail = format!(
        "failed to find the job `{job}`: there is none with this id, its record has expired, or it ends with its \
         request and has no record"
    );
    Problem::new(Kind::UnknownJob, StatusCode::NOT_FOUND, detail)
}
