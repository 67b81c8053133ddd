//! One job that outlives its request: its record, its result, and its end before time.

use super::json;
use crate::access::{Pass, Principal};
use crate::answer;
use crate::app::Shared;
use crate::conditional;
use crate::event_streams;
use crate::handover::{accepted, expired, gone, missing};
use crate::job_view::{JobView, etag_of};
use crate::kind::Kind;
use crate::params::{JobName, Parameters};
use crate::prefer::{PREFER, Preferences};
use crate::problem::Problem;
use crate::sse;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, ETAG, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use procpool_protocol::JobId;
use procpool_registry::{Cancelled, Record, ResultState, Resumed};
use serde::Serialize;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

/// Serves `GET /v1/jobs/{id}`. With `If-None-Match` and `Prefer: wait=30`, it answers when the job changes.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    JobName(job): JobName,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Parameters::of(&uri, &[])?;
    let jobs = &shared.app.jobs;
    let record = jobs.job(job).await.ok_or_else(|| missing(&shared, job))?;
    let mut record = Some(record).filter(|it| principal.may_use(&it.pool)).ok_or_else(|| gone(job))?;
    if conditional::is_known(&headers, &etag_of(&record)) {
        let change = jobs.changed(job, record.version);
        record = match within(&shared, Preferences::of(&headers).wait, change).await {
            Some(changed) => changed.ok_or_else(|| gone(job))?,
            None => return Ok(of_record(&record, StatusCode::NOT_MODIFIED.into_response())),
        };
    }
    let response = match jobs.result(job).await {
        ResultState::Finished(record, finished) => {
            let response = json(&JobView::of(&record, Some(&finished)));
            of_record(&record, response)
        }
        ResultState::Unfinished(record) | ResultState::Gone(record) => {
            of_record(&record, json(&JobView::of(&record, None)))
        }
        // It has expired since.
        ResultState::Unknown => of_record(&record, json(&JobView::of(&record, None))),
    };
    Ok(response)
}

/// Serves `GET /v1/jobs/{id}/result`: the answer that a synchronous request would have got. With
/// `Prefer: wait=30`, it waits for the job's end.
pub(super) async fn result(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    JobName(job): JobName,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Parameters::of(&uri, &[])?;
    refuse_invisible(&shared, &principal, job).await?;
    let wait = Preferences::of(&headers).wait;
    if wait.is_some() {
        within(&shared, wait, finished(&shared, job)).await;
    }
    let mut response = match shared.app.jobs.result(job).await {
        ResultState::Finished(_, finished) => answer::of_stored(&finished, None).await,
        ResultState::Unfinished(_) => accepted(&shared, job).await,
        ResultState::Gone(record) => return Err(expired(&record)),
        ResultState::Unknown => return Err(missing(&shared, job)),
    };
    if headers.contains_key(PREFER) {
        response.headers_mut().append(VARY, HeaderValue::from_static("Prefer"));
    }
    Ok(response)
}

#[derive(Serialize)]
struct Cancelling {
    id: JobId,
    cancelling: bool,
}

/// Serves `DELETE /v1/jobs/{id}`: cancels a job, also one that ends with its request.
pub(super) async fn cancel(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    JobName(job): JobName,
    uri: Uri,
) -> Result<Response, Problem> {
    Parameters::of(&uri, &[])?;
    refuse_invisible(&shared, &principal, job).await?;
    match shared.app.jobs.cancel(job).await {
        Cancelled::Requested => Ok(accepted(&shared, job).await),
        Cancelled::TooLate(_) => Err(match shared.app.jobs.job(job).await {
            Some(record) => finished_already(&record),
            None => missing(&shared, job),
        }),
        Cancelled::Unknown if shared.app.engine.cancel(job) => {
            let mut response = json(&Cancelling { id: job, cancelling: true });
            *response.status_mut() = StatusCode::ACCEPTED;
            Ok(response)
        }
        Cancelled::Unknown => Err(missing(&shared, job)),
    }
}

/// Refuses a job of a pool that the client may not use as one that is not there.
async fn refuse_invisible(shared: &Shared, principal: &Principal, job: JobId) -> Result<(), Problem> {
    match shared.app.jobs.job(job).await {
        Some(record) if principal.may_use(&record.pool) => Ok(()),
        Some(_) => Err(gone(job)),
        // It may end with its request.
        None => match shared.app.engine.pool_of(job) {
            Some(pool) if principal.may_use(&pool) => Ok(()),
            // Nothing says in whose pool it may be by now.
            None if !principal.is_bound_to_pools() => Ok(()),
            _ => Err(missing(shared, job)),
        },
    }
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Serves `GET /v1/jobs/{id}/events`: server-sent events. A client that has seen the last one gets 204, which alone
/// keeps it from reconnecting.
pub(super) async fn events(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    pass: Pass,
    JobName(job): JobName,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Parameters::of(&uri, &[])?;
    let record = shared.app.jobs.job(job).await.ok_or_else(|| missing(&shared, job))?;
    let record = Some(record).filter(|it| principal.may_use(&it.pool)).ok_or_else(|| gone(job))?;
    // An id of another server, or no number: the client begins anew.
    let seen = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.trim().parse().ok()).unwrap_or(0);
    // Of a finished job, this is known at once.
    if record.state.is_finished()
        && matches!(shared.app.jobs.events(job, seen).await, Some(Resumed::Ended) | None)
    {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let permit = shared.event_streams.enter(shared.app.config.max_event_streams)?;
    Ok(sse::response(event_streams::events(shared, job, seen, permit), pass))
}

/// Waits until the job has finished or is unknown.
async fn finished(shared: &Shared, job: JobId) {
    let mut seen = 0;
    while let Some(record) = shared.app.jobs.changed(job, seen).await {
        if record.state.is_finished() {
            return;
        }
        seen = record.version;
    }
}

/// Waits for something, for no longer than the client prefers, and not while the server drains.
async fn within<T>(shared: &Shared, limit: Option<Duration>, event: impl Future<Output = T>) -> Option<T> {
    let limit = limit?;
    let timeout = async {
        // A time beyond the clock's end never comes.
        match tokio::time::Instant::now().checked_add(limit) {
            Some(end) => tokio::time::sleep_until(end).await,
            None => pending().await,
        }
    };
    tokio::select! {
        biased;
        happened = event => Some(happened),
        () = timeout => None,
        () = shared.app.health.until_draining() => None,
    }
}

/// Adds what every answer about a record has.
fn of_record(record: &Record, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(ETAG, etag_of(record));
    // It may be stored, and is asked for again each time.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.append(VARY, HeaderValue::from_static("Prefer"));
    response
}

fn finished_already(record: &Record) -> Problem {
    let outcome = record.state.outcome().map_or("unknown", |outcome| outcome.name());
    let detail =
        format!("failed to cancel the job {}: it has finished, with the outcome `{outcome}`", record.id);
    Problem::new(Kind::JobFinished, StatusCode::CONFLICT, detail)
        .outcome(outcome)
        .may_have_run(record.may_have_run)
        .with("job", &record.id)
}
