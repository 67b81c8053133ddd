//! All jobs that outlive their requests: lists, and cancels by filter.

use super::json;
use crate::access::Principal;
use crate::app::Shared;
use crate::body;
use crate::filter::{self, CONDITIONS};
use crate::job_view::JobView;
use crate::json as json_text;
use crate::kind::Kind;
use crate::params::{self, Parameters};
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{StatusCode, Uri};
use procpool_protocol::JobId;
use procpool_registry::{Cursor, Filter, ForeignCursor, MAX_PAGE, Trial};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of jobs of a page that asks for no other.
const PAGE: usize = 50;

#[derive(Serialize)]
struct List<'a> {
    jobs: Vec<JobView<'a>>,
    next: Option<String>,
}

/// Serves `GET /v1/jobs[?pool=][&state=][&outcome=][&since=][&limit=][&cursor=]`, the newest job first.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    uri: Uri,
) -> Result<Response, Problem> {
    let [pool, state, outcome, since] = CONDITIONS;
    let parameters = Parameters::of(&uri, &[pool, state, outcome, since, "limit", "cursor"])?;
    let conditions = CONDITIONS.iter().filter_map(|&name| Some((name, parameters.text(name)?)));
    let filter = within_rights(conditions, &principal, &shared)?;
    let limit = parameters.number("limit", 1..=MAX_PAGE as u64)?;
    let limit = limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(MAX_PAGE));
    let cursor = parameters.text("cursor").map(str::parse::<Cursor>).transpose();
    let cursor = cursor.map_err(|invalid| params::bad("cursor", invalid))?;
    let page = shared.app.jobs.list(filter, cursor, limit).await.map_err(foreign)?;
    let jobs = page.jobs.iter().map(|record| JobView::of(record, None)).collect();
    Ok(json(&List { jobs, next: page.next.map(|next| next.to_string()) }))
}

/// The body of a cancel.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    filter: BTreeMap<String, String>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Cancelled {
    matched: usize,
    cancelled: usize,
    dry_run: bool,
    /// The newest of them.
    jobs: Vec<JobId>,
}

/// Serves `POST /v1/jobs/cancel`: cancels every unfinished job that matches, or only counts them.
pub(super) async fn cancel(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let body = json_text::checked(body::read(request.into_body(), &shared).await?).await?;
    let Order { filter, dry_run } = serde_json::from_slice(&body).map_err(|error| bad_order(&error))?;
    let conditions = filter.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let filter = within_rights(conditions, &principal, &shared)?;
    let trial = if dry_run { Trial::DryRun } else { Trial::Order };
    let jobs = to_its_end(async move { matching(&shared, &filter, trial).await }).await;
    let (matched, jobs) = jobs.map_err(foreign)?;
    let cancelled = if dry_run { 0 } else { matched };
    tracing::info!(matched, cancelled, dry_run, "an order to cancel jobs");
    Ok(json(&Cancelled { matched, cancelled, dry_run, jobs }))
}

/// Carries an order out: a client that hangs up leaves none half done.
pub(super) async fn to_its_end<T: Send + 'static>(order: impl Future<Output = T> + Send + 'static) -> T {
    let done = tokio::spawn(order).await;
    done.unwrap_or_else(|gone| std::panic::resume_unwind(gone.into_panic()))
}

/// Returns the number of jobs that match, and the newest of them.
async fn matching(
    shared: &Shared,
    filter: &Filter,
    trial: Trial,
) -> Result<(usize, Vec<JobId>), ForeignCursor> {
    let jobs = &shared.app.jobs;
    let first = jobs.cancel_matching(filter.clone(), None, MAX_PAGE, trial).await?;
    let (mut matched, mut next) = (first.jobs.len(), first.next);
    while let Some(cursor) = next {
        // Others have the lock in between.
        tokio::task::yield_now().await;
        let page = jobs.cancel_matching(filter.clone(), Some(cursor), MAX_PAGE, trial).await?;
        matched += page.jobs.len();
        next = page.next;
    }
    Ok((matched, first.jobs))
}

/// Returns the filter of these conditions, bounded to the pools that the client may use. Others are not there for it.
pub(super) fn within_rights<'a>(
    conditions: impl IntoIterator<Item = (&'a str, &'a str)>,
    principal: &Principal,
    shared: &Shared,
) -> Result<Filter, Problem> {
    let pools = shared.app.admin.pools().into_iter().map(|pool| pool.name);
    let usable: Vec<String> = pools.filter(|pool| principal.may_use(pool)).collect();
    let mut filter = filter::of(conditions, &usable)?;
    if principal.is_bound_to_pools() {
        filter.pools.get_or_insert_with(|| usable.into_iter().map(Into::into).collect());
    }
    Ok(filter)
}

pub(super) fn foreign(foreign: ForeignCursor) -> Problem {
    params::bad("cursor", foreign)
}

fn bad_order(error: &serde_json::Error) -> Problem {
    let detail = format!(
        "failed to read the order: {error}; send for example {{\"filter\": {{\"pool\": \"fib\", \"state\": \"queued\"}}, \
         \"dry_run\": true}}"
    );
    Problem::new(Kind::BadInput, StatusCode::BAD_REQUEST, detail).outcome("bad_input")
}
