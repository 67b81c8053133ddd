//! Clients that walk through lists page by page while jobs come and go, and cancels by filter.

use std::collections::BTreeSet;

use procpool_protocol::{JobId, OutcomeKind};
use procpool_registry::{Cursor, Filter, Phase, Trial};

use crate::broken::{Broken, broken};
use crate::checks::names;
use crate::model::Job;
use crate::run::{Run, Step};

/// Maximum number of clients that walk at once.
const MOST: usize = 3;

pub(crate) struct Walker {
    filter: Filter,
    limit: usize,
    cursor: Option<Cursor>,
    /// The jobs that have matched since the walk began, and must appear.
    must: BTreeSet<JobId>,
    seen: BTreeSet<JobId>,
    last: u64,
    pages: u64,
    has_lost: bool,
}

impl Run {
    /// Takes the next page of a walk, or begins one.
    pub(crate) fn walk(&mut self) -> Result<Step, Broken> {
        if self.walkers.len() < MOST && self.random.percent(50) {
            let walker = self.draw_walker();
            self.walkers.push(walker);
        }
        let Some(at) = self.random.pick(&(0..self.walkers.len()).collect::<Vec<_>>()) else {
            return Ok(Step::Other);
        };
        let mut walker = self.walkers.swap_remove(at);
        if self.take_page(&mut walker)? {
            self.walkers.push(walker);
        }
        Ok(Step::Other)
    }

    /// Takes a page. Returns whether there is another.
    fn take_page(&mut self, walker: &mut Walker) -> Result<bool, Broken> {
        let page = self.registry.list(&walker.filter, walker.cursor, walker.limit);
        self.note(|| {
            format!(
                "list {:?} -> {}",
                walker.filter,
                page.as_ref().map_or("foreign".into(), |page| names(page.jobs.iter().map(|it| it.id)))
            )
        });
        let is_foreign = walker.cursor.is_some_and(|cursor| !self.is_own(cursor));
        let Ok(page) = page else {
            self.coverage.met("foreign cursor");
            return if is_foreign {
                Ok(false)
            } else {
                Err(broken("lists_are_complete", "an own cursor is refused".into()))
            };
        };
        if is_foreign {
            return Err(broken("foreign_cursors_are_refused", format!("{:?}", walker.cursor)));
        }
        if page.jobs.len() > walker.limit {
            return Err(broken("pages_are_bounded", format!("{} of {}", page.jobs.len(), walker.limit)));
        }
        for record in &page.jobs {
            if !self.model.jobs.get(&record.id).is_some_and(|job| matches(&walker.filter, job)) {
                return Err(broken(
                    "lists_keep_to_their_filter",
                    format!("{record:?} for {:?}", walker.filter),
                ));
            }
            if record.seq >= walker.last {
                return Err(broken("lists_are_in_order", format!("{} after {}", record.seq, walker.last)));
            }
            walker.last = record.seq;
            walker.seen.insert(record.id);
        }
        walker.pages += 1;
        walker.cursor = page.next;
        if page.next.is_some() {
            return Ok(true);
        }
        let missed = walker.must.difference(&walker.seen).copied();
        if let Some(first) = missed.clone().next() {
            let job = &self.model.jobs[&first];
            return Err(broken(
                "lists_are_complete",
                format!("{:?} lacks {}, for one {job:?}", walker.filter, names(missed)),
            ));
        }
        if walker.pages > 2 {
            self.coverage.met("walked over several pages");
        }
        if walker.has_lost && walker.pages > 1 {
            self.coverage.met("walked while others changed");
        }
        Ok(false)
    }

    /// Returns whether a cursor comes from the present registry.
    fn is_own(&self, cursor: Cursor) -> bool {
        cursor.to_string().starts_with(&format!("{:016x}-", self.number()))
    }

    fn draw_walker(&mut self) -> Walker {
        let filter = self.draw_filter();
        let must = self.matching(&filter).into_iter().collect();
        let limit = self.random.count(1, 6);
        Walker {
            filter,
            limit,
            cursor: None,
            must,
            seen: BTreeSet::new(),
            last: u64::MAX,
            pages: 0,
            has_lost: false,
        }
    }

    fn draw_filter(&mut self) -> Filter {
        let mut filter = Filter::default();
        if self.random.percent(40) {
            let pools = self.plan.pools.iter().filter(|_| self.random.percent(60)).cloned();
            filter.pools = Some(pools.collect());
        }
        if self.random.percent(40) {
            filter.phase = self.random.pick(&Phase::ALL);
        }
        if self.random.percent(15) {
            filter.outcome =
                self.random.pick(&[OutcomeKind::Ok, OutcomeKind::Cancelled, OutcomeKind::BadInput]);
        }
        if self.random.percent(30) {
            filter.since =
                self.random.pick(&self.model.jobs.values().map(|job| job.accepted).collect::<Vec<_>>());
        }
        filter
    }

    /// Returns the jobs that match, the newest first.
    fn matching(&self, filter: &Filter) -> Vec<JobId> {
        let mut jobs: Vec<_> = self.model.jobs.values().filter(|job| matches(filter, job)).collect();
        jobs.sort_by_key(|job| std::cmp::Reverse(job.record.seq));
        jobs.into_iter().map(|job| job.id).collect()
    }

    /// Forgets which jobs must appear in a walk, if they have ceased to match.
    pub(crate) fn narrow_walks(&mut self) {
        for walker in &mut self.walkers {
            let before = walker.must.len();
            walker.must.retain(|id| self.model.jobs.get(id).is_some_and(|job| matches(&walker.filter, job)));
            walker.has_lost |= walker.must.len() < before;
        }
    }

    /// Cancels all that match, after a dry run.
    pub(crate) fn cancel_matching(&mut self) -> Result<Step, Broken> {
        let filter = self.draw_filter();
        let limit = self.random.count(1, 4);
        let is_finished = |id: &JobId| self.model.jobs[id].is_finished();
        let expected: Vec<_> = self.matching(&filter).into_iter().filter(|id| !is_finished(id)).collect();
        let trials: &[Trial] =
            if self.random.percent(50) { &[Trial::DryRun, Trial::Order] } else { &[Trial::DryRun] };
        for &trial in trials {
            let (mut jobs, mut cursor) = (Vec::new(), None);
            loop {
                let page = self.registry.cancel_matching(self.now, &filter, cursor, limit, trial);
                let page =
                    page.map_err(|_| broken("cancels_hit_all_that_match", "a foreign cursor".into()))?;
                jobs.extend(page.jobs);
                cursor = page.next;
                if cursor.is_none() || jobs.len() > self.model.jobs.len() {
                    break;
                }
            }
            self.note(|| format!("{trial:?} of cancel {filter:?} -> {}", names(jobs.clone())));
            if jobs != expected {
                return Err(broken(
                    "cancels_hit_all_that_match",
                    format!("{}, not {}", names(jobs), names(expected)),
                ));
            }
            if trial == Trial::Order {
                for id in jobs {
                    self.coverage.met("cancelled by filter");
                    self.model.jobs.entry(id).and_modify(Job::cancel);
                }
            }
        }
        Ok(Step::Other)
    }
}

/// The meaning of a filter.
fn matches(filter: &Filter, job: &Job) -> bool {
    filter.pools.as_ref().is_none_or(|pools| pools.contains(&job.pool))
        && filter.phase.is_none_or(|phase| job.state.phase() == phase)
        && filter.outcome.is_none_or(|outcome| job.state.outcome() == Some(outcome))
        && filter.since.is_none_or(|since| job.accepted >= since)
}
