//! The order to read the configuration again.

use super::json;
use crate::access::Principal;
use crate::app::Shared;
use crate::kind::Kind;
use crate::params::Parameters;
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use procpool_protocol::engine::ConfigReloadError;
use std::sync::Arc;

/// Serves `POST /v1/config/reload[?dry_run=true]`.
pub(super) async fn reload(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    principal.needs_all_pools()?;
    let rehearsal = Parameters::of(request.uri(), &["dry_run"])?.flag("dry_run")?;
    let reloaded = tokio::select! {
        reloaded = shared.app.admin.reload_config(rehearsal) => reloaded,
        // A drain waits for all that is in flight, and new pools may take their time to get ready.
        () = shared.app.health.until_draining() => Err(ConfigReloadError::NotServing),
    };
    match reloaded {
        Ok(report) => Ok(json(&report)),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &ConfigReloadError) -> Problem {
    let status = match error {
        ConfigReloadError::NoFile => StatusCode::CONFLICT,
        ConfigReloadError::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        ConfigReloadError::NotServing => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    Problem::new(Kind::ConfigRejected, status, error.to_string()).with("reason", error.name())
}
