//! Running many jobs by one request.

use crate::access::Principal;
use crate::app::Shared;
use crate::batch::{Batch, KeyPrefix, Order, Template};
use crate::handover::IDEMPOTENCY_KEY;
use crate::params::{JOB_LIMITS, Parameters, PoolName, SHARE};
use crate::problem::Problem;
use crate::{body, content_type, reading, remote, trace};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use procpool_protocol::JobError;
use procpool_protocol::engine::PoolStatus;
use procpool_protocol::outcome::{Refusal, Refused};
use std::sync::Arc;

const ORDER: &str = "order";
const KEY_PREFIX: &str = "key_prefix";

/// Serves `POST /v1/pools/{pool}/batch[?order=none][&timeout=][&run_timeout=][&priority=][&tenant=][&key_prefix=]`.
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    PoolName(pool): PoolName,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    let [timeout, run_timeout] = JOB_LIMITS;
    let [priority, tenant] = SHARE;
    let parameters =
        Parameters::of(request.uri(), &[timeout, run_timeout, ORDER, priority, tenant, KEY_PREFIX])?;
    let order = order(&parameters)?;
    if request.headers().contains_key(IDEMPOTENCY_KEY) {
        let reason = "a batch has a key for each line, which `key_prefix=` begins";
        return Err(parameters.bad("Idempotency-Key", reason));
    }
    let template = Template {
        limits: parameters.job_limits()?,
        priority: principal.priority(parameters.priority()?)?,
        tenant: parameters.tenant()?.or_else(|| principal.tenant()),
        principal,
        client: remote::client(request.extensions()),
        trace: trace::current(),
        key_prefix: key_prefix(&parameters)?,
        pool,
    };
    content_type::check_lines(request.headers())?;
    let lines = share(&status(&shared, &template.pool)?);
    let place = shared.live.enter()?;
    let mut source = request.into_body();
    // Before the answer begins: a client that waits for `100 Continue` gets it only until then.
    let first = body::begin(&mut source, &shared).await?;
    let batch = Batch::new(shared, place, template, order, lines, (first, source));
    Ok(reading::live("application/x-ndjson", None, Body::new(batch)))
}

fn order(parameters: &Parameters) -> Result<Order, Problem> {
    match parameters.text(ORDER) {
        None | Some("lines") => Ok(Order::Lines),
        Some("none") => Ok(Order::None),
        Some(_) => Err(parameters.bad(ORDER, "`lines` (the default) or `none` is needed")),
    }
}

fn key_prefix(parameters: &Parameters) -> Result<Option<KeyPrefix>, Problem> {
    if parameters.text(KEY_PREFIX) == Some("") {
        return Err(parameters.bad(KEY_PREFIX, "it is empty"));
    }
    let prefix =
        |text| KeyPrefix::new(text).map_err(|reason| parameters.bad(KEY_PREFIX, &reason.to_string()));
    parameters.text(KEY_PREFIX).map(prefix).transpose()
}

/// Returns the pool's status, or the problem that a job for it would meet.
fn status(shared: &Shared, pool: &str) -> Result<PoolStatus, Problem> {
    let pools = shared.app.admin.pools();
    let known = || pools.iter().map(|pool| pool.name.clone()).collect();
    match pools.iter().find(|status| status.name == pool) {
        Some(status) => Ok(status.clone()),
        None if pools.is_empty() && shared.app.health.phase() == "starting" => {
            Err(refused(pool, Refusal::Starting))
        }
        None => Err(refused(pool, Refusal::unknown_pool(known()))),
    }
}

fn refused(pool: &str, reason: Refusal) -> Problem {
    JobError::from(Refused::new(pool, reason)).into()
}

/// Returns the number of lines that leave half of the queue to others, and no worker without a job.
fn share(pool: &PoolStatus) -> usize {
    (pool.queue_limit / 2).max(2 * pool.max_workers).max(1)
}
