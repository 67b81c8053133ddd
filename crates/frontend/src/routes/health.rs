//! Answers for load balancers and supervisors. Nothing here waits for a worker.

use super::pools;
use crate::access::{Principal, Scope};
use crate::app::Shared;
use crate::kind::Kind;
use crate::params::Parameters;
use crate::problem::Problem;
use axum::extract::State;
use http::{StatusCode, Uri};
use procpool_jobs::Health as JobsHealth;
use std::sync::Arc;

/// Serves `GET /livez`: the process answers, so it lives. Draining does not change that.
pub(super) async fn live() -> &'static str {
    "OK"
}

/// Serves `GET /readyz[?pool=fib]`: 503 while starting or draining, and while the store
/// of jobs takes none. With `pool`, it is 503 also while that
/// pool has no worker that is ready. Without it, a pool in trouble does not take the others out of rotation.
/// Who may not see which pools there are gets no list of them.
pub(super) async fn ready(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    uri: Uri,
) -> Result<&'static str, Problem> {
    let parameters = Parameters::of(&uri, &["pool"])?;
    let health = &shared.app.health;
    if !health.is_serving() {
        return Err(not_ready(format!("the server is {}", health.phase())));
    }
    match shared.app.jobs.health() {
        JobsHealth::Full => {
            return Err(not_ready("the state directory has no space for further jobs".into()));
        }
        JobsHealth::Broken(cause) => return Err(not_ready(format!("the store of jobs has failed: {cause}"))),
        JobsHealth::Away(cause) => return Err(not_ready(format!("the cluster does not answer: {cause}"))),
        _ => {}
    }
    if let Some(name) = parameters.text("pool") {
        let found = pools::find(&shared, name).await;
        let pool =
            found.map_err(
                |unknown| {
                    if principal.may(Scope::Read) { unknown } else { pools::unknown(name, &[]) }
                },
            )?;
        if !pool.is_ready() {
            let state = if pool.draining { "is draining" } else { "has no worker that is ready" };
            return Err(not_ready(format!("the pool `{name}` {state}")));
        }
    }
    Ok("OK")
}

fn not_ready(detail: String) -> Problem {
    Problem::new(Kind::NotReady, StatusCode::SERVICE_UNAVAILABLE, detail)
}
