//! The records of payloads and clients in quarantine: listed for operators, and cleared at their order.

use super::json;
use super::pools::unknown;
use crate::app::Shared;
use crate::kind::Kind;
use crate::params::{NoParameters, PoolAndFingerprint, PoolName};
use crate::problem::Problem;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Cleared<'a> {
    pool: &'a str,
    cleared: usize,
}

/// Serves `GET /v1/pools/{pool}/quarantine`.
pub(super) async fn list(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    PoolName(pool): PoolName,
) -> Result<Response, Problem> {
    match shared.app.admin.quarantine(&pool) {
        Some(quarantine) => Ok(json(&quarantine)),
        None => Err(unknown(&pool, &shared.app.admin.pools())),
    }
}

/// Serves `DELETE /v1/pools/{pool}/quarantine`.
pub(super) async fn clear(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    PoolName(pool): PoolName,
) -> Result<Response, Problem> {
    let cleared = cleared(&shared, &pool, None)?;
    Ok(json(&Cleared { pool: &pool, cleared }))
}

/// Serves `DELETE /v1/pools/{pool}/quarantine/{fingerprint}`.
pub(super) async fn clear_one(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    PoolAndFingerprint(pool, fingerprint): PoolAndFingerprint,
) -> Result<Response, Problem> {
    match cleared(&shared, &pool, Some(&fingerprint))? {
        0 => Err(not_suspected(&pool, &fingerprint)),
        cleared => Ok(json(&Cleared { pool: &pool, cleared })),
    }
}

fn cleared(shared: &Shared, pool: &str, fingerprint: Option<&str>) -> Result<usize, Problem> {
    let cleared = shared.app.admin.clear_quarantine(pool, fingerprint);
    cleared.ok_or_else(|| unknown(pool, &shared.app.admin.pools()))
}

fn not_suspected(pool: &str, fingerprint: &str) -> Problem {
    let fingerprint: String = fingerprint.chars().take(64).collect();
    let detail = format!(
        "failed to find `{fingerprint}`: the pool `{pool}` holds nothing against it, or no longer; \
         GET /v1/pools/{pool}/quarantine lists the fingerprints"
    );
    Problem::new(Kind::NotFound, StatusCode::NOT_FOUND, detail)
}
