//! Routes for pools and their workers, as the engine reports them, and for orders to reload, pause and resume.

use super::{json, orders};
use crate::access::Principal;
use crate::app::Shared;
use crate::kind::Kind;
use crate::params::{NoParameters, Parameters, PoolName};
use crate::problem::Problem;
use crate::settings;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use procpool_protocol::engine::{PoolSchemas, PoolStatus, PoolUsage, ReloadError, WorkerStatus};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

#[derive(Serialize)]
struct Pools {
    pools: Vec<PoolStatus>,
}

/// One pool, with what would make the list of all long.
#[derive(Serialize)]
struct Pool<'a> {
    #[serde(flatten)]
    status: PoolStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    schemas: Option<&'a PoolSchemas>,
    /// Those that may change while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Value>,
    /// The usage of its workers, if the client asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a PoolUsage>,
}

#[derive(Serialize)]
struct Workers {
    workers: Vec<WorkerStatus>,
}

/// Serves `GET /v1/pools`: those that the client may use.
pub(super) async fn all(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    principal: Principal,
) -> Response {
    let mut pools = shared.app.admin.pools();
    pools.retain(|pool| principal.may_use(&pool.name));
    json(&Pools { pools })
}

/// Serves `GET /v1/pools/{pool}[?usage=true]`.
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    PoolName(name): PoolName,
    uri: Uri,
) -> Result<Response, Problem> {
    let usage = usage(&shared, &name, &uri).await?;
    let status = find(&shared, &name).await?;
    let schemas = shared.app.admin.schemas(&name);
    let settings = shared.app.admin.settings(&name).map(|(current, _)| current);
    let written = settings.as_ref().map(settings::written);
    let answer =
        json(&Pool { status, schemas: schemas.as_deref(), settings: written, usage: usage.as_deref() });
    Ok(match settings {
        Some(settings) => orders::with_tag(answer, &settings),
        None => answer,
    })
}

/// Serves `GET /v1/pools/{pool}/workers[?usage=true]`.
pub(super) async fn workers(
    State(shared): State<Arc<Shared>>,
    PoolName(name): PoolName,
    uri: Uri,
) -> Result<Response, Problem> {
    let usage = usage(&shared, &name, &uri).await?;
    match shared.app.admin.workers(&name) {
        Some(mut workers) => {
            usage.inspect(|usage| usage.tell(&mut workers));
            Ok(json(&Workers { workers }))
        }
        None => Err(unknown(&name, &shared.app.admin.pools())),
    }
}

/// Returns what a pool's workers use, if the query asks for it.
async fn usage(shared: &Shared, pool: &str, uri: &Uri) -> Result<Option<Arc<PoolUsage>>, Problem> {
    match Parameters::of(uri, &["usage"])?.flag("usage")? {
        true => Ok(shared.app.admin.usage(pool).await),
        false => Ok(None),
    }
}

/// Serves `POST /v1/pools/{pool}/reload`.
pub(super) async fn reload(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    PoolName(name): PoolName,
) -> Result<Response, Problem> {
    let reloaded = tokio::select! {
        reloaded = shared.app.admin.reload(&name) => reloaded,
        // A drain waits for all that is in flight, and a new make may take its time to get ready.
        () = shared.app.health.until_draining() => Some(Err(ReloadError::shut_down(name.clone()))),
    };
    match reloaded {
        Some(Ok(report)) => Ok(json(&report)),
        Some(Err(error)) => Err(reload_failed(&error)),
        None => Err(unknown(&name, &shared.app.admin.pools())),
    }
}

#[derive(Serialize)]
struct Paused<'a> {
    pool: &'a str,
    paused: bool,
}

/// Serves `POST /v1/pools/{pool}/pause`.
pub(super) async fn pause(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    PoolName(name): PoolName,
) -> Result<Response, Problem> {
    set_paused(&shared, &name, true)
}

/// Serves `POST /v1/pools/{pool}/resume`.
pub(super) async fn resume(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    PoolName(name): PoolName,
) -> Result<Response, Problem> {
    set_paused(&shared, &name, false)
}

fn set_paused(shared: &Shared, pool: &str, paused: bool) -> Result<Response, Problem> {
    match shared.app.admin.set_paused(pool, paused) {
        Some(()) => Ok(json(&Paused { pool, paused })),
        None => Err(unknown(pool, &shared.app.admin.pools())),
    }
}

fn reload_failed(error: &ReloadError) -> Problem {
    let status = match error {
        ReloadError::Superseded { .. } => StatusCode::CONFLICT,
        ReloadError::ShutDown { .. } | ReloadError::RuntimeEnded { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    Problem::new(Kind::ReloadFailed, status, error.to_string()).with("reason", error.name())
}

/// Returns the status of the pool of this name.
///
/// # Errors
/// A 404 problem that names the pools that there are.
pub(super) async fn find(shared: &Shared, name: &str) -> Result<PoolStatus, Problem> {
    let mut pools = shared.app.admin.pools();
    match pools.iter().position(|pool| pool.name == name) {
        Some(index) => Ok(pools.swap_remove(index)),
        None => Err(unknown(name, &pools)),
    }
}

/// Returns the problem of a name that no pool has.
pub(super) fn unknown(name: &str, pools: &[PoolStatus]) -> Problem {
    let known: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
    let name: String = name.chars().take(64).collect();
    let list = if known.is_empty() { String::new() } else { format!("; there are: {}", known.join(", ")) };
    let detail = format!("failed to find the pool `{name}`{list}");
    Problem::new(Kind::UnknownPool, StatusCode::NOT_FOUND, detail).with("pool", &name).with("known", &known)
}
