//! Looks into a worker: its stack now, and a profile of some seconds.

use super::{json, with_type};
use crate::access::Principal;
use crate::app::Shared;
use crate::kind::Kind;
use crate::params::{Parameters, WorkerName};
use crate::problem::Problem;
use crate::profile::Format;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use procpool_protocol::inspection::{InspectionError, LONGEST_PROFILE, StackOptions};
use procpool_protocol::stack::Stack;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The duration of a profile, in seconds, unless the request says another.
const SECONDS: u64 = 5;

/// Time after which a look is worth another try that was one too many.
const SOON: Duration = Duration::from_secs(1);

/// Maximum number of workers that a problem names.
const MOST_NAMES: usize = 64;

#[derive(Serialize)]
struct Seen<'a> {
    worker: &'a str,
    #[serde(flatten)]
    stack: Stack,
}

/// Serves `GET /v1/workers/{worker}/stack[?threads=all]`.
pub(super) async fn stack(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    WorkerName(worker): WorkerName,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(&uri, &["threads"])?;
    let all = match parameters.text("threads") {
        None | Some("first") => false,
        Some("all") => true,
        Some(_) => return Err(parameters.bad("threads", "`first` or `all` is needed")),
    };
    may_look(&shared, &principal, &worker)?;
    match shared.app.admin.stack(&worker, StackOptions::new().all_threads(all)).await {
        Ok(stack) => Ok(json(&Seen { worker: &worker, stack })),
        Err(error) => Err(why(&shared, &principal, &error)),
    }
}

/// Serves `POST /v1/workers/{worker}/profile[?seconds=5&format=folded|firefox|svg]`.
pub(super) async fn profile(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    WorkerName(worker): WorkerName,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(&uri, &["seconds", "format"])?;
    let format = Format::named(parameters.text("format"))?;
    let seconds = parameters.number("seconds")?.unwrap_or(SECONDS);
    if !(1..=LONGEST_PROFILE.as_secs()).contains(&seconds) {
        let needed = format!("a whole number from 1 to {} is needed", LONGEST_PROFILE.as_secs());
        return Err(parameters.bad("seconds", &needed));
    }
    may_look(&shared, &principal, &worker)?;
    let profile = tokio::select! {
        profile = shared.app.admin.profile(&worker, Duration::from_secs(seconds)) => profile,
        // A drain waits for all that is in flight.
        () = shared.app.health.until_draining() => {
            Err(InspectionError::failed(&worker, "the server is shutting down"))
        }
    };
    match profile {
        Ok(profile) => Ok(with_type(format.content_type(), format.write(&profile))),
        Err(error) => Err(why(&shared, &principal, &error)),
    }
}

/// Hides the workers of pools that the client may not use.
fn may_look(shared: &Shared, principal: &Principal, worker: &str) -> Result<(), Problem> {
    let is_of = |pool: &str| worker.strip_prefix(pool).is_some_and(|rest| rest.starts_with('-'));
    let pools = shared.app.admin.pools();
    if pools.iter().any(|pool| !principal.may_use(&pool.name) && is_of(&pool.name)) {
        return Err(why(shared, principal, &InspectionError::unknown(worker)));
    }
    Ok(())
}

fn why(shared: &Shared, principal: &Principal, error: &InspectionError) -> Problem {
    let detail = |worker: &str| {
        let worker: String = worker.chars().take(100).collect();
        (format!("failed to look into the worker `{worker}`"), worker)
    };
    match error {
        InspectionError::Unknown { worker, .. } => {
            let (failed, worker) = detail(worker);
            let known = workers(shared, principal);
            let list =
                if known.is_empty() { String::new() } else { format!("; there are: {}", known.join(", ")) };
            let detail = format!("{failed}: there is none of that name{list}");
            let problem = Problem::new(Kind::UnknownWorker, StatusCode::NOT_FOUND, detail);
            problem.with("worker", &worker).with("known", &known)
        }
        InspectionError::Gone { worker, .. } => {
            let (failed, worker) = detail(worker);
            let detail = format!("{failed}: it has ended, and its name is not used again");
            Problem::new(Kind::WorkerGone, StatusCode::GONE, detail).with("worker", &worker)
        }
        InspectionError::Profiled { worker, .. } => {
            Problem::new(Kind::ProfileRunning, StatusCode::CONFLICT, error.to_string()).with("worker", worker)
        }
        // No `Retry-After` for a rule of the system: it stays.
        InspectionError::Forbidden { .. } => unavailable(error, "forbidden"),
        InspectionError::Busy { .. } => unavailable(error, "busy").retry_after(Some(SOON)),
        other => unavailable(other, "failed"),
    }
}

fn unavailable(error: &InspectionError, reason: &str) -> Problem {
    let problem = Problem::new(Kind::StackUnavailable, StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    problem.with("reason", reason)
}

fn workers(shared: &Shared, principal: &Principal) -> Vec<String> {
    let admin = &shared.app.admin;
    let pools = admin.pools().into_iter().filter(|pool| principal.may_use(&pool.name));
    let workers = pools.flat_map(|pool| admin.workers(&pool.name).unwrap_or_default());
    workers.map(|worker| worker.id).take(MOST_NAMES).collect()
}
