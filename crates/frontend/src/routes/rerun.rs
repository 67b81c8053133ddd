//! Finished jobs run again by filter, dead letters above all: a bounded number of them in a call, which says where the next one
//! goes on.

use super::job_list::{foreign, to_its_end, within_rights};
use super::json;
use crate::access::Principal;
use crate::app::Shared;
use crate::body;
use crate::json as json_text;
use crate::kind::Kind;
use crate::params::{self, Parameters};
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use procpool_protocol::{JobError, JobId};
use procpool_registry::{Cursor, Filter, MAX_PAGE, Phase, Trial};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The body of an order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    filter: BTreeMap<String, String>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default, deserialize_with = "whole")]
    limit: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    cursor: Option<String>,
}

/// Reads a whole number. In JSON Schema and in JavaScript `85.0` is one.
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    let number = serde_json::Number::deserialize(from)?;
    let digits = number.to_string();
    let digits = digits.strip_suffix(".0").unwrap_or(&digits);
    digits
        .parse()
        .map(Some)
        .map_err(|_| D::Error::custom(format!("`limit` is {number}, which is no whole number")))
}

/// Reads a cursor. `null` is none: a client that sends the `next` of the last answer would begin anew, and run every job
/// once more.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    String::deserialize(from).map(Some)
}

#[derive(Serialize)]
struct Reruns {
    /// Number of jobs that this call has looked at: those that match, up to its limit.
    matched: usize,
    rerun: usize,
    refused: usize,
    dry_run: bool,
    jobs: Vec<Again>,
    /// Where the next call goes on. `None` if no further job matches.
    next: Option<String>,
}

/// A job that matches, with its new job or why there is none.
#[derive(Serialize)]
struct Again {
    job: JobId,
    #[serde(skip_serializing_if = "Option::is_none")]
    rerun: Option<JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

impl Again {
    fn of((job, again): (JobId, Option<Result<JobId, JobError>>)) -> Self {
        match again.transpose() {
            Ok(rerun) => Self { job, rerun, problem: None },
            Err(error) => Self { job, rerun: None, problem: Some(error.into()) },
        }
    }
}

/// Serves `POST /v1/jobs/rerun`: sends the input of each finished job that matches again, as a new job, or only counts them.
pub(super) async fn matching(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let body = json_text::checked(body::read(request.into_body(), &shared).await?).await?;
    let Order { filter, dry_run, limit, cursor } =
        serde_json::from_slice(&body).map_err(|error| bad_order(&error))?;
    let conditions = filter.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let filter = finished(within_rights(conditions, &principal, &shared)?)?;
    let limit = limit.unwrap_or(MAX_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(params::bad("limit", format!("a whole number from 1 to {MAX_PAGE} is needed")));
    }
    let cursor = cursor.as_deref().map(str::parse::<Cursor>).transpose();
    let cursor = cursor.map_err(|invalid| params::bad("cursor", invalid))?;
    let trial = if dry_run { Trial::DryRun } else { Trial::Order };
    let name = Some(Arc::from(&**principal.name()));
    let order = async move { shared.app.jobs.rerun_matching(filter, cursor, limit, trial, name).await };
    let reruns = to_its_end(order).await.map_err(foreign)?;
    let jobs: Vec<_> = reruns.jobs.into_iter().map(Again::of).collect();
    let rerun = jobs.iter().filter(|job| job.rerun.is_some()).count();
    let refused = jobs.iter().filter(|job| job.problem.is_some()).count();
    let matched = jobs.len();
    tracing::info!(matched, rerun, refused, dry_run, "an order to run jobs again");
    let next = reruns.next.map(|next| next.to_string());
    Ok(json(&Reruns { matched, rerun, refused, dry_run, jobs, next }))
}

/// Returns the filter of finished jobs. One that names neither state nor outcome means dead letters: nobody sends again by
/// mistake what has ended well.
fn finished(mut filter: Filter) -> Result<Filter, Problem> {
    match filter.phase {
        None => filter.dead |= filter.outcome.is_none(),
        Some(Phase::Finished) => {}
        Some(_) => {
            return Err(params::bad("state", "only finished jobs run again: `finished` or `dead` is needed"));
        }
    }
    Ok(filter)
}

fn bad_order(error: &serde_json::Error) -> Problem {
    let detail = format!(
        "failed to read the order: {error}; send for example {{\"filter\": {{\"pool\": \"fib\", \"state\": \"dead\"}}, \
         \"dry_run\": true}}"
    );
    Problem::new(Kind::BadInput, StatusCode::BAD_REQUEST, detail).outcome("bad_input")
}
