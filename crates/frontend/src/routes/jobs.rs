//! Running a job: input in, output or problem out.

use crate::access::{Permit, Principal};
use crate::answer;
use crate::app::Shared;
use crate::handover::{self, Handover};
use crate::lent::Memory;
use crate::params::{JOB_LIMITS, JobName, Parameters, PoolName, SHARE, TIMES};
use crate::problem::Problem;
use crate::reading;
use crate::{body, content_type, json, remote, trace};
use axum::extract::{Request, State};
use axum::response::Response;
use procpool_jobs::Order;
use procpool_protocol::engine::Submission;
use procpool_protocol::{Encoding, Payload};
use std::sync::Arc;

/// Asks for what the job used of the machine.
const USAGE: &str = "usage";

/// The problem of a time with a request that waits for its job.
const OUTLIVES: &str = "a job that runs later outlives its request; send `Prefer: respond-async`";

/// Serves `POST /v1/pools/{pool}/jobs[?timeout=][&run_timeout=][&usage=true][&priority=][&tenant=][&delay=|&run_at=]`.
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    PoolName(pool): PoolName,
    principal: Principal,
    permit: Permit,
    mut request: Request,
) -> Result<Response, Problem> {
    let [timeout, run_timeout] = JOB_LIMITS;
    let [priority, tenant] = SHARE;
    let [delay, run_at] = TIMES;
    let known = [timeout, run_timeout, USAGE, priority, tenant, delay, run_at];
    let parameters = Parameters::of(request.uri(), &known)?;
    let (limits, reports_usage) = (parameters.job_limits()?, parameters.flag(USAGE)?);
    let priority = principal.priority(parameters.priority()?)?;
    let tenant = parameters.tenant()?.or_else(|| principal.tenant());
    let client = remote::client(request.extensions());
    let handover = Handover::of(request.headers())?;
    let not_before = parameters.not_before()?;
    if not_before.is_some() && !handover.as_ref().is_some_and(Handover::is_asynchronous) {
        let name = if parameters.text(delay).is_some() { delay } else { run_at };
        return Err(parameters.bad(name, OUTLIVES));
    }
    let format = reading::format(request.version(), request.headers(), handover.is_some())?;
    let memory = Memory::of(&mut request)?;
    let input = input(&shared, request, memory.as_ref()).await?;
    let mut job = Submission::new(pool, input, Encoding::Json);
    (job.limits, job.reports_usage, job.client) = (limits, reports_usage, client);
    (job.priority, job.tenant, job.principal) = (priority, tenant, Some(principal.name().clone()));
    job.trace = trace::current();
    // The rare ways are boxed, so that a plain request's future has no room for them.
    match (handover, format) {
        (Some(handover), _) => {
            let mut order = order(job, permit);
            order.not_before = not_before;
            Box::pin(handover::run(&shared, order, handover, memory)).await
        }
        (None, Some(format)) => Box::pin(reading::run(&shared, job, format, memory, permit)).await,
        (None, None) => answer::run(&shared, job, answer::as_is, memory, permit).await,
    }
}

/// Serves `POST /v1/jobs/{id}/rerun`: submits the input of a job again, as a job of its own.
pub(super) async fn rerun(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    permit: Permit,
    JobName(job): JobName,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let handover = Handover::of_asynchronous(request.headers())?;
    let record = shared.app.jobs.job(job).await.filter(|record| principal.may_use(&record.pool));
    let Some(_) = record else { return Err(handover::gone(job)) };
    let input = shared.app.jobs.input(job).await.ok_or_else(|| handover::input_expired(job))?;
    let mut order = order((*input).clone(), permit);
    order.job.priority = principal.priority(Some(order.job.priority))?;
    order.job.principal = Some(principal.name().clone());
    order.job.client = remote::client(request.extensions());
    order.job.trace = trace::current();
    order.rerun_of = Some(job);
    handover::run(&shared, order, handover, None).await
}

/// Returns the order of a job, which counts towards the quota until it ends.
fn order(job: Submission, permit: Permit) -> Order {
    let mut order = Order::new(job);
    order.held = Some(Arc::new(permit));
    order
}

async fn input(shared: &Shared, request: Request, memory: Option<&Memory>) -> Result<Payload, Problem> {
    let encoding = content_type::input_encoding(request.headers())?;
    let bytes = match memory.filter(|memory| memory.has_input()) {
        Some(memory) => memory.input(shared).await?,
        None => body::read(request.into_body(), shared).await?,
    };
    Ok(match encoding {
        Encoding::Bytes => Payload::raw(bytes),
        _ => Payload::json(json::checked(bytes).await?),
    })
}
