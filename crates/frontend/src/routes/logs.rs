//! The last lines that a living worker wrote, at once or as it writes them.

use super::json;
use crate::access::{Pass, Principal};
use crate::app::Shared;
use crate::kind::Kind;
use crate::log_stream::{self, LineView};
use crate::params::{NoParameters, WorkerName};
use crate::problem::Problem;
use crate::sse;
use axum::extract::State;
use axum::response::Response;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, StatusCode};
use procpool_protocol::engine::{Death, DeathQuery};
use serde::Serialize;
use std::sync::Arc;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const EVENTS: &str = "text/event-stream";

/// Maximum number of workers that a problem names.
const NAMES: usize = 20;

#[derive(Serialize)]
struct Logs<'a> {
    worker: &'a str,
    pool: &'a str,
    lines: Vec<LineView<'a>>,
    /// Number of earlier lines, which are no longer held.
    missed: u64,
}

/// Serves `GET /v1/workers/{worker}/logs`: the last lines, or with `Accept: text/event-stream` these and all that follow.
pub(super) async fn show(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    pass: Pass,
    WorkerName(worker): WorkerName,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = shared.app.admin.output(&worker).filter(|found| principal.may_use(&found.pool));
    let Some(found) = found else { return Err(absent(&shared, &principal, &worker)) };
    if !wants_events(&headers) {
        let page = found.output.read(0);
        let lines = page.lines.iter().map(|line| LineView::from(&**line)).collect();
        return Ok(json(&Logs { worker: &worker, pool: &found.pool, lines, missed: page.missed }));
    }
    // An id of another worker, or no number: the client begins anew.
    let seen = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.trim().parse().ok()).unwrap_or(0);
    let permit = shared.event_streams.enter(shared.app.config.max_event_streams)?;
    Ok(sse::response(log_stream::events(shared, worker, found.output, seen, permit), pass))
}

fn wants_events(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|accept| accept.contains(EVENTS)))
}

/// Returns the problem of a worker that is not there: where its death is, or which workers there are.
fn absent(shared: &Shared, principal: &Principal, worker: &str) -> Problem {
    match death_of(shared, worker).filter(|death| principal.may_use(&death.pool)) {
        Some(death) => dead(worker, &death),
        None => unknown(shared, principal, worker),
    }
}

/// Returns the death of the worker of this name, if it is remembered.
pub(crate) fn death_of(shared: &Shared, worker: &str) -> Option<Arc<Death>> {
    let mut query = DeathQuery::all();
    (query.worker, query.limit) = (Some(worker.to_owned()), Some(1));
    shared.app.admin.deaths(&query).deaths.pop()
}

fn dead(worker: &str, death: &Death) -> Problem {
    let place = format!("/v1/deaths/{}", death.id);
    let detail = format!(
        "failed to read what the worker `{worker}` writes: it is dead ({}); GET {place} has its last lines",
        death.end
    );
    Problem::new(Kind::WorkerDead, StatusCode::GONE, detail)
        .with("worker", worker)
        .with("pool", &death.pool)
        .with("death", &place)
}

/// Returns the names of workers that the client may see. The workers of a pool are copied only if those before it are fewer
/// than `most`.
pub(super) fn known_workers(shared: &Shared, principal: &Principal, most: usize) -> Vec<String> {
    let admin = &shared.app.admin;
    let pools = admin.pools().into_iter().filter(|pool| principal.may_use(&pool.name));
    let workers = pools.flat_map(|pool| admin.workers(&pool.name).unwrap_or_default());
    workers.map(|worker| worker.id).take(most).collect()
}

fn unknown(shared: &Shared, principal: &Principal, worker: &str) -> Problem {
    let known = known_workers(shared, principal, NAMES);
    let worker: String = worker.chars().take(100).collect();
    let list = match known.len() {
        0 => "no worker is alive".to_owned(),
        NAMES => format!("there are others, such as: {}", known.join(", ")),
        _ => format!("there are: {}", known.join(", ")),
    };
    let detail = format!("failed to find the worker `{worker}`: it has ended, or never was; {list}");
    Problem::new(Kind::UnknownWorker, StatusCode::NOT_FOUND, detail)
        .with("worker", &worker)
        .with("known", &known)
}
