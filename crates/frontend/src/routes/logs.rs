//! The last lines that a living worker wrote, at once or as it writes them.

use super::{json, no_worker};
use crate::access::{Pass, Principal};
use crate::app::Shared;
use crate::log_stream::{self, LineView};
use crate::params::{NoParameters, WorkerName};
use crate::problem::Problem;
use crate::sse;
use axum::extract::State;
use axum::response::Response;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName};
use serde::Serialize;
use std::sync::Arc;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const EVENTS: &str = "text/event-stream";

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
    match no_worker::visible_death(shared, principal, worker) {
        Some(death) => no_worker::gone(worker, "read the lines of", Some(&death)),
        None => no_worker::unknown(shared, principal, worker, "find"),
    }
}
