//! Orders for a pool and its workers while they run: settings, a drain, and one worker that is sent away.

use super::json;
use super::pools::{find, unknown};
use crate::access::Principal;
use crate::app::Shared;
use crate::kind::Kind;
use crate::params::{NoParameters, Parameters, PoolName, WorkerName};
use crate::problem::Problem;
use crate::{body, content_type, settings};
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use procpool_protocol::Encoding;
use procpool_protocol::engine::{PoolSettings, ReconfigureError, WorkerOrder};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Maximum number of times that a patch is applied anew because the settings have changed meanwhile.
const TRIES: usize = 8;

#[derive(Serialize)]
struct Settings<'a> {
    pool: &'a str,
    settings: Value,
}

/// Serves `PATCH /v1/pools/{pool}`, a merge patch of the pool's settings.
pub(super) async fn patch(
    State(shared): State<Arc<Shared>>,
    PoolName(pool): PoolName,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    if content_type::input_encoding(request.headers())? != Encoding::Json {
        return Err(settings::bad("it is sent as JSON: application/merge-patch+json"));
    }
    let wanted = wanted(request.headers())?;
    let patch = body::read(request.into_body(), &shared).await?;
    for _ in 0..TRIES {
        let (current, configured) = settings_of(&shared, &pool)?;
        // First: what is no patch is none for any settings.
        let new = settings::patched(&current, &configured, &patch)?;
        if wanted.as_deref().is_some_and(|tags| !matches(tags, &settings::etag(&current))) {
            return Err(has_changed(&pool, &current));
        }
        match shared.app.admin.reconfigure(&pool, &current, &new) {
            Some(Ok(())) => {
                let answer = json(&Settings { pool: &pool, settings: settings::written(&new) });
                return Ok(with_tag(answer, &new));
            }
            Some(Err(ReconfigureError::Invalid { reason, .. })) => return Err(settings::bad(reason)),
            // Its tag is compared again.
            Some(Err(_)) => {}
            None => return Err(unknown(&pool, &shared.app.admin.pools())),
        }
    }
    Err(has_changed(&pool, &settings_of(&shared, &pool)?.0))
}

/// Adds the tag with which a change of these settings can be made to depend on them.
pub(super) fn with_tag(mut response: Response, settings: &PoolSettings) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&settings::etag(settings)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn settings_of(shared: &Shared, pool: &str) -> Result<(PoolSettings, PoolSettings), Problem> {
    let settings = shared.app.admin.settings(pool);
    settings.ok_or_else(|| unknown(pool, &shared.app.admin.pools()))
}

/// Returns the tags of `If-Match`, if there are any.
fn wanted(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut tags = Vec::new();
    for value in headers.get_all(IF_MATCH) {
        let text = value.to_str().map_err(|_| settings::bad("`If-Match` is no list of entity tags"))?;
        tags.push(text);
    }
    Ok((!tags.is_empty()).then(|| tags.join(",")))
}

/// Returns whether a list of tags has this one. Weak ones never match (RFC 9110, 13.1.1).
fn matches(tags: &str, tag: &str) -> bool {
    tags.split(',').map(str::trim).any(|it| it == "*" || it == tag)
}

fn has_changed(pool: &str, current: &PoolSettings) -> Problem {
    let detail = format!(
        "failed to change the settings of pool `{pool}`: they are not those of `If-Match`, or no longer"
    );
    Problem::new(Kind::SettingsChanged, StatusCode::PRECONDITION_FAILED, detail)
        .with("pool", pool)
        .with("settings", &settings::written(current))
        .with("etag", &settings::etag(current))
}

#[derive(Serialize)]
struct Drains<'a> {
    pool: &'a str,
    draining: bool,
    queued: usize,
    running: usize,
}

/// Serves `POST /v1/pools/{pool}/drain`.
pub(super) async fn drain(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    PoolName(pool): PoolName,
) -> Result<Response, Problem> {
    if shared.app.admin.drain(&pool).is_none() {
        return Err(unknown(&pool, &shared.app.admin.pools()));
    }
    let status = find(&shared, &pool).await?;
    let (queued, running) = (status.queued, status.running);
    Ok(json(&Drains { pool: &pool, draining: true, queued, running }))
}

#[derive(Serialize)]
struct Ordered<'a> {
    worker: &'a str,
    pool: &'a str,
    how: &'a str,
}

/// Serves `DELETE /v1/workers/{worker}[?how=retire|kill]`.
pub(super) async fn end_worker(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    WorkerName(worker): WorkerName,
    request: Request,
) -> Result<Response, Problem> {
    let how = Parameters::of(request.uri(), &["how"])?.worker_order("how")?.unwrap_or(WorkerOrder::Retire);
    let is_of = |pool: &str| {
        let workers = shared.app.admin.workers(pool);
        workers.is_some_and(|workers| workers.iter().any(|it| it.id == worker))
    };
    let pools = shared.app.admin.pools();
    if pools.iter().any(|pool| !principal.may_use(&pool.name) && is_of(&pool.name)) {
        return Err(no_worker(&worker));
    }
    match shared.app.admin.order_worker(&worker, how) {
        Some(pool) => Ok(json(&Ordered { worker: &worker, pool: &pool, how: how.name() })),
        None => Err(no_worker(&worker)),
    }
}

fn no_worker(worker: &str) -> Problem {
    let worker: String = worker.chars().take(100).collect();
    let detail = format!(
        "failed to find the worker `{worker}`: it has ended, or never was; GET /v1/pools/{{pool}}/workers lists the \
         workers by `id`"
    );
    Problem::new(Kind::UnknownWorker, StatusCode::NOT_FOUND, detail).with("worker", &worker)
}
