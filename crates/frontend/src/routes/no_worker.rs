//! The problems of a worker that is not there: it has ended, or there never was one of that name.

use crate::access::Principal;
use crate::app::Shared;
use crate::kind::Kind;
use crate::problem::Problem;
use http::StatusCode;
use procpool_protocol::engine::{Death, DeathQuery};
use std::sync::Arc;

/// Maximum number of workers that a problem names.
const NAMES: usize = 20;

/// Maximum number of characters of a name that a problem repeats.
const NAME: usize = 100;

/// Returns the death of the worker of this name, if it is remembered.
pub(crate) fn death_of(shared: &Shared, worker: &str) -> Option<Arc<Death>> {
    let mut query = DeathQuery::all();
    (query.worker, query.limit) = (Some(worker.to_owned()), Some(1));
    shared.app.admin.deaths(&query).deaths.pop()
}

/// Returns the same, if the client may see it.
pub(super) fn visible_death(shared: &Shared, principal: &Principal, worker: &str) -> Option<Arc<Death>> {
    death_of(shared, worker).filter(|death| principal.may_use(&death.pool))
}

/// Returns the problem of a worker that has ended, with the place of its death if that is remembered. `failed` is what
/// was tried, such as `look into`.
pub(super) fn gone(worker: &str, failed: &str, death: Option<&Death>) -> Problem {
    let worker: String = worker.chars().take(NAME).collect();
    let failed = format!("failed to {failed} the worker `{worker}`: it has ended");
    let Some(death) = death else {
        let detail = format!("{failed}, and its name is not used again");
        return Problem::new(Kind::WorkerGone, StatusCode::GONE, detail).with("worker", &worker);
    };
    let place = format!("/v1/deaths/{}", death.id);
    let detail = format!("{failed} ({}); GET {place} has its last lines", death.end);
    Problem::new(Kind::WorkerGone, StatusCode::GONE, detail)
        .with("worker", &worker)
        .with("pool", &death.pool)
        .with("death", &place)
}

/// Returns the problem of a worker of which nothing is known, with those that there are.
pub(super) fn unknown(shared: &Shared, principal: &Principal, worker: &str, failed: &str) -> Problem {
    let admin = &shared.app.admin;
    let pools = admin.pools().into_iter().filter(|pool| principal.may_use(&pool.name));
    // The workers of a pool are copied only if those before it are too few.
    let workers = pools.flat_map(|pool| admin.workers(&pool.name).unwrap_or_default());
    let known: Vec<String> = workers.map(|worker| worker.id).take(NAMES).collect();
    let worker: String = worker.chars().take(NAME).collect();
    let list = match known.len() {
        0 => "no worker is alive".to_owned(),
        NAMES => format!("there are others, such as: {}", known.join(", ")),
        _ => format!("there are: {}", known.join(", ")),
    };
    let detail = format!("failed to {failed} the worker `{worker}`: it has ended, or never was; {list}");
    Problem::new(Kind::UnknownWorker, StatusCode::NOT_FOUND, detail)
        .with("worker", &worker)
        .with("known", &known)
}
