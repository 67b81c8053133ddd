//! The assertions about those who watch: viewers of the stream, and a scraper.

use super::{Finding, oddities};
use crate::chaos::evidence::Evidence;
use crate::chaos::scenario::PLANS;

pub(super) fn views(evidence: &Evidence) -> Finding {
    let views = &evidence.views;
    let (holds, wrong) = oddities(&views.wrong, "wrong");
    let detail = format!(
        "{} snapshots, {} ticks, {} deaths and {} marks on {} connections, {} hung up on; {} times somebody \
         was too slow; {wrong}",
        views.snapshots,
        views.ticks,
        views.deaths,
        views.marks,
        views.connections,
        views.hang_ups,
        views.skips
    );
    let was_there = [views.snapshots, views.ticks, views.deaths, views.marks, views.hang_ups];
    (holds && was_there.iter().all(|count| *count > 0), detail)
}

/// Compared with the log, in which a worker's name is in no more than one line of this kind.
pub(super) fn deaths(evidence: &Evidence) -> Finding {
    let (unseen, matched) = (evidence.views.unseen(), evidence.views.matched());
    let first: String = unseen.iter().take(8).map(|it| format!("\n         {it}")).collect();
    (unseen.is_empty() && matched > 0, format!("{matched} were, {} were not{first}", unseen.len()))
}

pub(super) fn pictures(evidence: &Evidence) -> Finding {
    oddities(&evidence.views.differences, "differ from the status")
}

pub(super) fn scrapes(evidence: &Evidence) -> Finding {
    let scrapes = &evidence.scrapes;
    let (holds, wrong) = oddities(&scrapes.wrong, "wrong");
    let detail = format!("{} scrapes, {} series; {wrong}", scrapes.count, scrapes.last.len());
    (holds && scrapes.count > 1, detail)
}

/// Pool by pool and outcome by outcome, as the status has them, which is compared with the clients' ledger elsewhere.
pub(super) fn totals(evidence: &Evidence) -> Finding {
    let mut jobs = 0;
    for plan in PLANS {
        let status = evidence.quiet.pools.iter().find(|pool| pool.name == plan.name);
        let status = status.map_or_else(|| Err("no status".into()), |pool| pool.counts());
        match (evidence.scrapes.counts(plan.name), status) {
            (Ok(scraped), Ok(status)) if scraped == status => jobs += scraped.values().sum::<u64>(),
            (scraped, status) => {
                return (false, format!("{}: {scraped:?} was scraped, {status:?} is the status", plan.name));
            }
        }
    }
    (jobs > 0, format!("{jobs} jobs"))
}
