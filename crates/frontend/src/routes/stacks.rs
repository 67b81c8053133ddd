//! Looks into a worker: what it does, its stack now, and a profile of some seconds.

use super::{json, no_worker, with_type};
use crate::access::Principal;
use crate::app::Shared;
use crate::kind::Kind;
use crate::params::{Parameters, WorkerName};
use crate::problem::Problem;
use crate::profile::Format;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use procpool_protocol::inspection::{InspectionError, LONGEST_PROFILE, Profile, StackOptions};
use procpool_protocol::stack::Stack;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The duration of a profile, in seconds, unless the request says another.
const SECONDS: u64 = 5;

/// Time after which a look is worth another try that was one too many.
const SOON: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Seen<'a> {
    worker: &'a str,
    #[serde(flatten)]
    stack: Stack,
}

/// Serves `GET /v1/workers/{worker}[?usage=false]`. Memory and processor time belong to one worker unless the query declines
/// them; those of a list have to be asked for.
pub(super) async fn worker(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    WorkerName(worker): WorkerName,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(&uri, &["usage"])?;
    let declines_usage = !parameters.flag("usage")? && parameters.text("usage").is_some();
    may_look(&shared, &principal, &worker)?;
    match shared.app.admin.worker(&worker).await {
        Ok(mut detail) => {
            if declines_usage {
                (detail.status.resident_bytes, detail.status.cpu_ms) = (None, None);
            }
            Ok(json(&detail))
        }
        Err(error) => Err(why(&shared, &principal, &error)),
    }
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
    let seconds = parameters.number("seconds", 1..=LONGEST_PROFILE.as_secs())?.unwrap_or(SECONDS);
    may_look(&shared, &principal, &worker)?;
    let profile = tokio::select! {
        profile = shared.app.admin.profile(&worker, Duration::from_secs(seconds)) => profile,
        // A drain waits for all that is in flight.
        () = shared.app.health.until_draining() => {
            Err(InspectionError::failed(&worker, "the server is shutting down"))
        }
    };
    match profile {
        Ok(profile) => Ok(with_type(format.content_type(), written(format, profile).await)),
        Err(error) => Err(why(&shared, &principal, &error)),
    }
}

/// Writes a profile, which may take a tenth of a second.
async fn written(format: Format, profile: Profile) -> String {
    let writing = tokio::task::spawn_blocking(move || format.write(&profile));
    writing.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Hides the workers of pools that the client may not use. The engine knows whose a worker is: one pool's name may begin
/// another's.
fn may_look(shared: &Shared, principal: &Principal, worker: &str) -> Result<(), Problem> {
    match shared.app.admin.pool_of_worker(worker) {
        Some(pool) if principal.may_use(&pool) => Ok(()),
        _ => Err(why(shared, principal, &InspectionError::unknown(worker))),
    }
}

fn why(shared: &Shared, principal: &Principal, error: &InspectionError) -> Problem {
    match error {
        InspectionError::Unknown { worker, .. } => no_worker::unknown(shared, principal, worker, "look into"),
        InspectionError::Gone { worker, .. } => {
            let death = no_worker::visible_death(shared, principal, worker);
            no_worker::gone(worker, "look into", death.as_deref())
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
