//! `/metrics`, and the last minutes of a pool.

use super::{json, pools, with_type};
use crate::access::Principal;
use crate::app::Shared;
use crate::kind::Kind;
use crate::metrics::{Format, Scrape, gzip, takes_gzip};
use crate::params::{NoParameters, Parameters, PoolName};
use crate::problem::Problem;
use axum::extract::State;
use axum::response::Response;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use procpool_protocol::engine::PoolHistory;
use serde::Serialize;
use std::fmt::Display;
use std::sync::Arc;

/// The commit that the crate was built from, if the build says so.
const REVISION: Option<&str> = option_env!("PROCPOOL_REVISION");

/// Number of seconds that are returned if the request names no other: all that are held. A request for more is refused.
const SECONDS: u64 = 900;

/// Serves `GET /metrics`: the pools that the client may use, and the server.
pub(super) async fn scrape(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let format = Format::of(header(ACCEPT));
    let mut pools = shared.app.admin.figures();
    let names = pools.iter().map(|pool| pool.status.name.clone()).collect();
    let usages = shared.usages.refresh(&shared.app.admin, names);
    pools.retain(|pool| principal.may_use(&pool.status.name));
    let (stored, stored_event_bytes) = shared.app.jobs.usage();
    let scrape = Scrape {
        pools,
        usages,
        stored,
        stored_event_bytes,
        event_streams: shared.event_streams.open(),
        traffic: shared.traffic.clone(),
        revision: REVISION.unwrap_or("unknown"),
    };
    let text = scrape.write(format).map_err(unwritten)?;
    let mut response = match takes_gzip(header(ACCEPT_ENCODING)) {
        false => with_type(format.content_type(), text),
        true => {
            let mut response = with_type(format.content_type(), gzip(&text).map_err(unwritten)?);
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    Ok(response)
}

fn unwritten(error: impl Display) -> Problem {
    let detail = format!("failed to write the metrics: {error}");
    Problem::new(Kind::Internal, StatusCode::INTERNAL_SERVER_ERROR, detail)
}

#[derive(Serialize)]
struct History<'a> {
    pool: &'a str,
    #[serde(flatten)]
    history: PoolHistory,
}

/// Serves `GET /v1/pools/{pool}/history[?seconds=60]`.
pub(super) async fn history(
    State(shared): State<Arc<Shared>>,
    PoolName(name): PoolName,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(&uri, &["seconds"])?;
    let seconds = parameters.number("seconds", 1..=SECONDS)?.unwrap_or(SECONDS);
    let seconds = usize::try_from(seconds).unwrap_or(usize::MAX);
    let history = match shared.app.admin.history(&name, seconds) {
        Some(history) => history,
        // A pool that has just been started has none yet.
        None => pools::find(&shared, &name).await.map(|_| PoolHistory::default())?,
    };
    Ok(json(&History { pool: &name, history }))
}
