//! The hosts that run the jobs of a cluster, as its nodes tell of themselves.

use super::json;
use crate::access::Principal;
use crate::app::Shared;
use crate::kind::Kind;
use crate::params::NoParameters;
use crate::problem::Problem;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use procpool_protocol::engine::HostStatus;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Time after which the servers of a cluster may answer again.
const RETRY: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct List {
    hosts: Vec<HostStatus>,
}

/// Serves `GET /v1/hosts`. A client with some pools sees every host, with the slots of its own pools.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    _: NoParameters,
) -> Result<Response, Problem> {
    let hosts = shared.app.admin.hosts().ok_or_else(no_cluster)?;
    let mut hosts = hosts.await.map_err(|reason| away(&reason))?.to_vec();
    for host in &mut hosts {
        host.slots.retain(|pool, _| principal.may_use(pool));
    }
    Ok(json(&List { hosts }))
}

fn no_cluster() -> Problem {
    let detail =
        "this server has no cluster, and runs its jobs itself; `[cluster]` in its configuration names one";
    Problem::new(Kind::NoCluster, StatusCode::NOT_FOUND, detail)
}

fn away(reason: &str) -> Problem {
    let detail =
        format!("failed to look for the hosts: the cluster does not answer: {reason}; try again later");
    Problem::new(Kind::NotReady, StatusCode::SERVICE_UNAVAILABLE, detail)
        .with("reason", "engine_unreachable")
        .retry_after(Some(RETRY))
}
