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
use procpool_protocol::engine::Hosts;
use std::sync::Arc;

/// Serves `GET /livez`: the process answers, so it lives. Draining does not change that.
pub(super) async fn live() -> &'static str {
    "OK"
}

/// Serves `GET /readyz[?pool=fib]`: 503 while opening, starting or draining, and while the store
/// of jobs takes none. With `pool`, it is 503 also while that
/// pool has no worker that is ready. Without it, a pool in trouble does not take the others out of rotation.
/// A pool of a cluster is ready while the cluster takes its jobs, which wait if no host runs it: another server of the cluster
/// would do no better. Who may not see which pools there are gets no list of them.
pub(super) async fn ready(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    uri: Uri,
) -> Result<String, Problem> {
    let parameters = Parameters::of(&uri, &["pool"])?;
    let health = &shared.app.health;
    if !health.is_serving() {
        let phase = health.phase();
        return Err(not_ready(format!("the server is {phase}")).with("reason", phase));
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
        if shared.app.jobs.is_durable(name)
            && let Some(hosts) = shared.app.admin.hosts()
        {
            return of_cluster(name, hosts.await);
        }
        if !pool.is_ready() {
            let state = if pool.draining { "is draining" } else { "has no worker that is ready" };
            return Err(not_ready(format!("the pool `{name}` {state}")));
        }
    }
    Ok("OK".into())
}

/// Returns the answer about a pool that runs on these hosts.
fn of_cluster(pool: &str, hosts: Hosts) -> Result<String, Problem> {
    let hosts = hosts.map_err(|cause| not_ready(format!("the cluster does not answer: {cause}")))?;
    Ok(match hosts.iter().any(|host| host.runs(pool)) {
        true => "OK".into(),
        false => {
            format!(
                "OK, but no host of the cluster runs the pool `{pool}` at the moment: its jobs wait for one"
            )
        }
    })
}

fn not_ready(detail: String) -> Problem {
    Problem::new(Kind::NotReady, StatusCode::SERVICE_UNAVAILABLE, detail)
}
