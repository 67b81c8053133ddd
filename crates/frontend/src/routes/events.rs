//! The events of the whole server, for people who watch it.

use super::pools::unknown;
use crate::access::{Pass, Principal};
use crate::app::Shared;
use crate::board::{self, Selection};
use crate::params::Parameters;
use crate::problem::Problem;
use crate::sse;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use std::sync::Arc;

/// Serves `GET /v1/events`: a snapshot, then a tick four times a second, and rare events at once. `pools` names those that
/// the client wants to see.
pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    pass: Pass,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(&uri, &["pools"])?;
    let pools = parameters.text("pools").filter(|pools| !pools.is_empty());
    let pools: Option<Vec<String>> = pools.map(|pools| pools.split(',').map(str::to_owned).collect());
    if let Some(wanted) = &pools {
        let known = shared.app.admin.pools();
        for name in wanted {
            principal.needs_pool(name)?;
            if known.iter().all(|pool| pool.name != *name) {
                return Err(unknown(name, &known));
            }
        }
    }
    let permit = shared.event_streams.enter(shared.app.config.max_event_streams)?;
    let selection = Selection { pools, principal };
    Ok(sse::response(board::events(&shared.board, selection, permit), pass))
}
