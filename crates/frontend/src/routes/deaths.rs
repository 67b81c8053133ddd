//! Routes for the deaths of workers: one by one, and in groups of one cause.

use super::json;
use super::pools::unknown;
use crate::access::Principal;
use crate::app::Shared;
use crate::death_view::{DeathView, GroupView};
use crate::found_at::FoundAt;
use crate::kind::Kind;
use crate::params::{self, DeathNumber, NoParameters, Parameters, PoolName};
use crate::problem::Problem;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use procpool_protocol::engine::{Death, DeathGroup, DeathQuery};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Number of deaths of a page that asks for no other, and maximum number.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;

#[derive(Serialize)]
struct List<'a> {
    deaths: Vec<DeathView<'a>>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Groups<'a> {
    groups: Vec<GroupView<'a>>,
}

/// Serves `GET /v1/deaths[?by=group][&pool=][&group=][&worker=][&limit=][&cursor=]`, the newest death first.
pub(super) async fn all(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    place: FoundAt,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(&uri, &["by", "pool", "group", "worker", "limit", "cursor"])?;
    let known = known_pools(&shared, &principal);
    let pools = match parameters.text("pool") {
        Some(pool) if known.contains(pool) => Some(vec![pool.to_owned()]),
        Some(pool) => {
            let pool: String = pool.chars().take(64).collect();
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(params::bad("pool", format!("there is no pool `{pool}`; there are: {known}")));
        }
        None => principal.is_bound_to_pools().then(|| known.into_iter().collect()),
    };
    answer(&shared, &parameters, pools, &place).await
}

/// Serves `GET /v1/pools/{pool}/deaths[?by=group][&group=][&worker=][&limit=][&cursor=]`. A pool that was removed has
/// its deaths, too.
pub(super) async fn of_pool(
    State(shared): State<Arc<Shared>>,
    PoolName(pool): PoolName,
    place: FoundAt,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(&uri, &["by", "group", "worker", "limit", "cursor"])?;
    let pools = shared.app.admin.pools();
    let is_known = |pool: &str| {
        pools.iter().any(|it| it.name == pool)
            || shared.app.admin.death_groups().iter().any(|group| group.pool == pool)
    };
    if !is_known(&pool) {
        return Err(unknown(&pool, &pools));
    }
    answer(&shared, &parameters, Some(vec![pool]), &place).await
}

/// Serves `GET /v1/deaths/groups[?pool=]` for who may not see what workers said: their number alone.
pub(super) async fn groups(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    uri: Uri,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(&uri, &["pool"])?;
    let pool = parameters.text("pool");
    let groups = shared.app.admin.death_groups();
    let is_meant =
        |group: &&DeathGroup| principal.may_use(&group.pool) && pool.is_none_or(|pool| pool == group.pool);
    let groups = groups.iter().filter(is_meant).map(GroupView::counted).collect();
    Ok(json(&Groups { groups }))
}

/// Serves `GET /v1/deaths/{death}`.
pub(super) async fn one(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    place: FoundAt,
    DeathNumber(number): DeathNumber,
) -> Result<Response, Problem> {
    let death = number.parse().ok().and_then(|number| shared.app.admin.death(number));
    match death.filter(|death| principal.may_use(&death.pool)) {
        Some(death) => {
            let again = rerun(&shared, &place, &death).await;
            Ok(json(&DeathView::from(&*death).with_rerun(again)))
        }
        None => {
            let number: String = number.chars().take(64).collect();
            let detail = format!(
                "failed to find the death `{number}`: it is no longer remembered, or never was; GET /v1/deaths lists those \
                 that are by `id`"
            );
            Err(Problem::new(Kind::NotFound, StatusCode::NOT_FOUND, detail))
        }
    }
}

/// Returns the names of the pools that the client may use, those of removed ones with deaths among them.
fn known_pools(shared: &Shared, principal: &Principal) -> BTreeSet<String> {
    let current = shared.app.admin.pools().into_iter().map(|pool| pool.name);
    let dead = shared.app.admin.death_groups().into_iter().map(|group| group.pool);
    current.chain(dead).filter(|pool| principal.may_use(pool)).collect()
}

/// Returns the command that sends the job of a death again, if this server remembers that job. One that ended with its request
/// is not remembered: its client has the input, and perhaps a file.
async fn rerun(shared: &Shared, place: &FoundAt, death: &Death) -> Option<String> {
    let job = death.job?;
    let command = place.post(&format!("/v1/jobs/{job}/rerun"))?;
    shared.app.jobs.job(job).await.map(|_| command)
}

async fn answer(
    shared: &Shared,
    parameters: &Parameters,
    pools: Option<Vec<String>>,
    place: &FoundAt,
) -> Result<Response, Problem> {
    match parameters.text("by") {
        None => list(shared, parameters, pools, place).await,
        Some("group") => grouped(shared, parameters, pools.as_deref()),
        Some(_) => Err(params::bad("by", "`group` is needed; without it, deaths are listed one by one")),
    }
}

async fn list(
    shared: &Shared,
    parameters: &Parameters,
    pools: Option<Vec<String>>,
    place: &FoundAt,
) -> Result<Response, Problem> {
    let mut query = DeathQuery::all();
    query.pools = pools;
    query.group = parameters.text("group").map(str::to_owned);
    query.worker = parameters.text("worker").map(str::to_owned);
    query.limit = Some(limit(parameters)?.unwrap_or(PAGE));
    let cursor = parameters.text("cursor").map(str::parse);
    query.before =
        cursor.transpose().map_err(|_| params::bad("cursor", "it is none: send the last `next`"))?;
    let page = shared.app.admin.deaths(&query);
    let mut deaths = Vec::with_capacity(page.deaths.len());
    for death in &page.deaths {
        let again = rerun(shared, place, death).await;
        deaths.push(DeathView::from(&**death).with_rerun(again));
    }
    Ok(json(&List { deaths, next: page.next.map(|next| next.to_string()) }))
}

fn grouped(shared: &Shared, parameters: &Parameters, pools: Option<&[String]>) -> Result<Response, Problem> {
    for name in ["group", "worker", "cursor"] {
        if parameters.text(name).is_some() {
            return Err(params::bad(name, "it means nothing beside `by=group`"));
        }
    }
    let limit = limit(parameters)?.unwrap_or(usize::MAX);
    let groups = shared.app.admin.death_groups();
    let is_meant = |group: &&DeathGroup| pools.is_none_or(|pools| pools.contains(&group.pool));
    let groups = groups.iter().filter(is_meant).take(limit).map(GroupView::whole).collect();
    Ok(json(&Groups { groups }))
}

fn limit(parameters: &Parameters) -> Result<Option<usize>, Problem> {
    let limit = parameters.number("limit", 1..=MAX_PAGE as u64)?;
    Ok(limit.map(|limit| usize::try_from(limit).unwrap_or(MAX_PAGE)))
}
