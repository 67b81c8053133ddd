//! The turns of the waiting jobs, counted a second time: higher priorities first, no starvation, and fair
//! shares among the tenants of a priority. Knows jobs only by their shares.

use std::collections::{BTreeMap, BTreeSet};

use procpool_scheduler::{JobId, Priority, Tenant};

use crate::broken::Broken;
use crate::ledger::holds;

/// The priority and the tenant of a job.
pub(crate) type Share = (Priority, Option<Tenant>);

/// Among as many turns, one belongs to the priority whose oldest job has waited longest.
const TURNS: usize = 8;

/// A job that waits in the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) job: JobId,
    pub(crate) share: Share,
    /// It was assigned before and came back, so it is older than those that were not.
    pub(crate) is_back: bool,
    /// Its payload has killed, so it may wait aside instead.
    pub(crate) is_suspect: bool,
}

/// The turns so far.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Number of turns in which the oldest job's priority had none.
    without_the_oldest: usize,
    /// Number of turns since a lower priority went before a higher one.
    since_exception: Option<usize>,
    lanes: BTreeMap<Share, Lane>,
}

/// The wait of a tenant's next job.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    /// Number of turns that others of its priority had meanwhile.
    passed: usize,
    /// The greatest number of tenants that waited at once, and of jobs that came back.
    allowed: usize,
}

impl Turns {
    /// Records that the first job of its tenant waits.
    pub(crate) fn joins(&mut self, share: Share) {
        self.lanes.insert(share, Lane::default());
    }

    /// Records that a job of this priority comes back, which may cost the others a turn.
    pub(crate) fn comes_back(&mut self, (priority, _): Share) {
        for (_, lane) in self.lanes.iter_mut().filter(|((it, _), _)| *it == priority) {
            lane.allowed += 1;
        }
    }

    /// Checks whose turn it was, and records it. `waiting` are all jobs that waited, in the order of their
    /// arrival, with this one.
    pub(crate) fn take(&mut self, job: JobId, waiting: &[Waiting]) -> Result<(), Broken> {
        self.since_exception = self.since_exception.map(|turns| turns + 1);
        let Some(&taken) = waiting.iter().find(|it| it.job == job) else { return Ok(()) };
        // Nobody but the scheduler knows whether this one waited aside, where no turns are counted.
        if taken.is_suspect {
            self.lanes.values_mut().for_each(|lane| lane.allowed += 1);
            self.without_the_oldest = 0;
            return Ok(());
        }
        self.check_oldest(taken, waiting)?;
        self.check_priority(taken, waiting)?;
        self.check_lanes(taken, waiting)
    }

    fn check_oldest(&mut self, taken: Waiting, waiting: &[Waiting]) -> Result<(), Broken> {
        let oldest_of = |any: fn(&&Waiting) -> bool| {
            let one = waiting.iter().filter(any).min_by_key(|it| (!it.is_back, it.job));
            one.map(|it| it.share.0)
        };
        let is_of_oldest =
            [oldest_of(|_| true), oldest_of(|it| !it.is_suspect)].contains(&Some(taken.share.0));
        let is_back = waiting.iter().any(|it| it.is_back && it.share.0 == taken.share.0);
        self.without_the_oldest = if is_of_oldest || is_back { 0 } else { self.without_the_oldest + 1 };
        holds(self.without_the_oldest < TURNS, "nobody_starves", || {
            format!("job {} is the {}th before {:?}", taken.job, self.without_the_oldest, oldest_of(|_| true))
        })
    }

    fn check_priority(&mut self, taken: Waiting, waiting: &[Waiting]) -> Result<(), Broken> {
        let higher = waiting.iter().find(|it| it.share.0 < taken.share.0 && !it.is_suspect);
        let Some(higher) = higher else { return Ok(()) };
        let turns = self.since_exception.replace(0);
        holds(turns.is_none_or(|turns| turns >= TURNS), "higher_priorities_go_first", || {
            format!("job {} goes before {}, {turns:?} turns after another", taken.job, higher.job)
        })
    }

    fn check_lanes(&mut self, taken: Waiting, waiting: &[Waiting]) -> Result<(), Broken> {
        let is_there = |share: Share, but: Option<JobId>| {
            let of_lane = |it: &&Waiting| it.share == share && !it.is_suspect && Some(it.job) != but;
            waiting.iter().any(|it| of_lane(&it))
        };
        let (priority, _) = taken.share;
        self.lanes.retain(|&share, _| is_there(share, None));
        let of_priority = waiting.iter().filter(|it| it.share.0 == priority);
        let tenants = of_priority.map(|it| it.share.1).collect::<BTreeSet<_>>().len();
        for (share, lane) in self.lanes.iter_mut().filter(|((it, _), _)| *it == priority) {
            lane.allowed = lane.allowed.max(tenants);
            lane.passed += 1;
            let is_fair = *share == taken.share || lane.passed <= lane.allowed;
            holds(is_fair, "tenants_take_turns", || {
                format!("{share:?} waits for {} turns of {tenants} tenants", lane.passed)
            })?;
        }
        if is_there(taken.share, Some(taken.job)) {
            self.joins(taken.share);
        } else {
            self.lanes.remove(&taken.share);
        }
        Ok(())
    }
}
