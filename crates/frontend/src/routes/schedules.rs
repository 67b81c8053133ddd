//! The schedules of the server: when each runs, and what became of its last run.

use super::json;
use crate::access::Principal;
use crate::app::Shared;
use crate::kind::Kind;
use crate::params::{NoParameters, ScheduleName};
use crate::problem::Problem;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use procpool_jobs::{Run, ScheduleStatus};
use procpool_protocol::{JobId, OutcomeKind};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

#[derive(Serialize)]
struct List {
    schedules: Vec<ScheduleView>,
}

#[derive(Serialize)]
struct ScheduleView {
    name: String,
    pool: String,
    cron: String,
    timezone: String,
    next_at: Option<String>,
    last: Option<RunView>,
    left_out: u64,
}

#[derive(Serialize)]
struct RunView {
    at: String,
    job: Option<JobId>,
    state: Option<&'static str>,
    outcome: Option<OutcomeKind>,
    refused: Option<String>,
}

#[derive(Serialize)]
struct Submitted {
    job: JobId,
}

/// Serves `GET /v1/schedules`: those of the pools that the client may use.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    _: NoParameters,
) -> Response {
    let all = match &shared.app.schedules {
        Some(schedules) => schedules.list().await,
        None => Vec::new(),
    };
    let usable = all.into_iter().filter(|status| principal.may_use(&status.of.job.pool));
    json(&List { schedules: usable.map(view).collect() })
}

/// Serves `POST /v1/schedules/{schedule}/run`: submits its job now, beside its times.
pub(super) async fn run(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    ScheduleName(name): ScheduleName,
    _: NoParameters,
) -> Result<Response, Problem> {
    let schedules = shared.app.schedules.as_ref().ok_or_else(|| unknown(&name))?;
    let is_usable = schedules.pool_of(&name).is_some_and(|pool| principal.may_use(&pool));
    if !is_usable {
        return Err(unknown(&name));
    }
    let job = schedules.run_now(&name).await.ok_or_else(|| unknown(&name))??;
    tracing::info!(schedule = name, %job, "an order to run a schedule");
    Ok(json(&Submitted { job }))
}

fn view(status: ScheduleStatus) -> ScheduleView {
    let record = status.record;
    let last = status.last.map(|Run { at, job }| RunView {
        at: date(at.as_secs()),
        state: record.as_ref().map(|record| record.state.phase().name()),
        outcome: record.as_ref().and_then(|record| record.state.outcome()),
        job: job.as_ref().ok().copied(),
        refused: job.err(),
    });
    let (cron, timezone) = status.of.written;
    ScheduleView {
        name: status.of.name.to_string(),
        pool: status.of.job.pool,
        cron,
        timezone,
        next_at: status.next.map(|next| date(next.as_secs())),
        last,
        left_out: status.left_out,
    }
}

/// Returns a time as RFC 3339 writes it. A schedule has none before 1970.
fn date(secs: i64) -> String {
    let since = Duration::from_secs(u64::try_from(secs).unwrap_or_default());
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

fn unknown(name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    let detail =
        format!("failed to find the schedule `{name}`; GET /v1/schedules lists those that there are");
    Problem::new(Kind::UnknownSchedule, StatusCode::NOT_FOUND, detail)
}
