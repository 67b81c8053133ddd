//! The workers and their phases, with the counts of each phase. Does not: decide about transitions.

use crate::census::Census;
use crate::id_map::IdMap;
use crate::line::Line;
use crate::phase::{Phase, WorkerState};
use crate::restarts::Standing;
use crate::timers::Timer;
use crate::{Cause, Generation, JobId, Time, WorkerId};

/// Why the pool will replace a working worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tired {
    /// It has reached its maximum number of jobs, lifetime or growth.
    Worn,
    /// A newer generation of its executable exists.
    Outdated,
}

impl Tired {
    /// Returns the cause that counts when the worker is gone.
    pub(crate) const fn cause(self) -> Cause {
        match self {
            Self::Worn => Cause::Recycled,
            Self::Outdated => Cause::Reloaded,
        }
    }
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    phase: Phase,
    tired: Option<Tired>,
    pub(crate) generation: Generation,
    pub(crate) standing: Standing,
    /// Rings when its grace or its stop timeout ends.
    pub(crate) timer: Option<Timer>,
    /// Rings when its maximum lifetime ends.
    pub(crate) lifetime: Option<Timer>,
    /// Number of jobs left until its maximum, if it has one.
    pub(crate) jobs_left: Option<u64>,
    /// Time since which it has been idle. Meaningless while it is not idle.
    pub(crate) idle_since: Time,
    /// It is about to die and takes no other job.
    pub(crate) has_hung_up: bool,
    /// An operator wants it to retire as soon as it is idle.
    pub(crate) is_dismissed: bool,
    /// It can report which job it has begun.
    pub(crate) takes_ahead: bool,
    /// Jobs that it was sent and is not known to have begun.
    pub(crate) ahead: Line,
    /// Whether `with_ahead` lists it because it has jobs ahead.
    pub(crate) is_watched: bool,
    /// Number of bytes of the job that it runs. Meaningless while it runs none.
    pub(crate) runs_bytes: usize,
    /// Time at which it began the job that it runs.
    pub(crate) began_at: Time,
    /// Whether `on_offer` lists it for another job ahead.
    pub(crate) is_on_offer: bool,
    /// The pool has asked it to give back the jobs that it has not begun.
    pub(crate) is_recalled: bool,
}

impl Worker {
    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns whether it has answered no job yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.standing != Standing::Proven
    }

    /// Counts a finished job. Returns whether it was the last one before the maximum.
    pub(crate) fn wears_out(&mut self) -> bool {
        let Some(left) = &mut self.jobs_left else { return false };
        *left = left.saturating_sub(1);
        *left == 0
    }

    /// Returns whether all its jobs, together with `bytes` more, have at most `most` bytes.
    pub(crate) fn has_room(&self, bytes: usize, most: usize) -> bool {
        self.runs_bytes.saturating_add(self.ahead.bytes()).saturating_add(bytes) <= most
    }

    /// Returns whether it may take another job ahead. It must run a job that is not slow, stay in
    /// service, and hold fewer jobs ahead than `bounds` allows.
    pub(crate) fn may_take_ahead(&self, bounds: Bounds) -> bool {
        let stays = self.tired.is_none() && !self.has_hung_up && !self.is_recalled;
        let is_brisk = matches!(self.phase, Phase::Busy(_)) && self.began_at >= bounds.earliest;
        self.takes_ahead && stays && is_brisk && self.ahead.len() < bounds.depth
    }

    /// Marks it as on offer if it may take another job ahead. Returns whether it was not on offer
    /// before.
    pub(crate) fn goes_on_offer(&mut self, bounds: Bounds) -> bool {
        self.may_take_ahead(bounds) && !std::mem::replace(&mut self.is_on_offer, true)
    }
}

/// The limits for jobs that the pool sends ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Maximum number of jobs ahead.
    pub(crate) depth: usize,
    /// Workers that began their job before this time are slow.
    pub(crate) earliest: Time,
}

/// All workers that have been started and have not died.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    workers: IdMap<WorkerId, Worker>,
    census: Census,
    next_id: u64,
}

impl Fleet {
    /// Returns the number of workers in service, ready or not: all except the retiring ones.
    pub(crate) fn strength(&self) -> usize {
        self.workers.len() - self.census.retiring
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    pub(crate) const fn starting(&self) -> usize {
        self.census.starting
    }

    pub(crate) const fn retiring(&self) -> usize {
        self.census.retiring
    }

    /// Returns the number of workers that have or could take a job.
    pub(crate) const fn serving(&self) -> usize {
        self.census.serving
    }

    pub(crate) const fn idle(&self) -> usize {
        self.census.idle.len()
    }

    /// Returns the number of workers in this state, without looking at each.
    pub(crate) const fn in_state(&self, state: WorkerState) -> usize {
        let Census { starting, retiring, serving, stopping, killed, .. } = self.census;
        match state {
            WorkerState::Starting => starting,
            WorkerState::Idle => self.census.idle.len(),
            WorkerState::Busy => serving - self.census.idle.len() - stopping,
            WorkerState::Stopping => stopping + killed,
            WorkerState::Retiring => retiring,
        }
    }

    /// Returns the number of workers in service that the pool will replace.
    pub(crate) const fn tired(&self) -> usize {
        self.census.tired
    }

    /// Returns the number of workers in service of an older generation.
    pub(crate) const fn outdated(&self) -> usize {
        self.census.outdated
    }

    /// Returns the worker that has been idle for longest, and the time since which it has been
    /// idle.
    pub(crate) fn coldest(&self) -> Option<(WorkerId, Time)> {
        let id = *self.census.idle.first()?;
        Some((id, self.workers.get(&id)?.idle_since))
    }

    /// Returns the worker that has been idle for longest, except `other`.
    pub(crate) fn coldest_but(&self, other: Option<WorkerId>) -> Option<WorkerId> {
        self.census.idle.iter().copied().find(|&id| Some(id) != other)
    }

    /// Returns an idle worker that the pool will replace, and the reason.
    pub(crate) fn idle_and_tired(&self) -> Option<(WorkerId, Tired)> {
        if self.census.tired == 0 {
            return None;
        }
        self.census.idle.iter().find_map(|&id| Some((id, self.workers.get(&id)?.tired?)))
    }

    /// Returns an idle worker that has run no job yet.
    pub(crate) fn idle_and_fresh(&self) -> Option<WorkerId> {
        let is_fresh = |id: &&WorkerId| self.workers.get(id).is_some_and(Worker::is_fresh);
        self.census.idle.iter().rev().find(is_fresh).copied()
    }

    /// Returns the idle worker to use next.
    pub(crate) fn warmest(&self) -> Option<WorkerId> {
        self.census.idle.last().copied()
    }

    pub(crate) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.get_mut(&id)
    }

    pub(crate) fn phase(&self, id: WorkerId) -> Option<Phase> {
        self.workers.get(&id).map(Worker::phase)
    }

    /// Returns whether the worker has or could take a job.
    pub(crate) fn is_serving(&self, id: WorkerId) -> bool {
        matches!(self.phase(id), Some(Phase::Idle | Phase::Busy(_) | Phase::Stopping { .. }))
    }

    /// Returns all workers, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (WorkerId, WorkerState, Option<JobId>)> + '_ {
        self.workers.iter().map(|(&id, worker)| (id, worker.phase.state(), worker.phase.job()))
    }

    /// Returns the state of a worker, its job, and the time since which it has run that or been idle.
    pub(crate) fn one(&self, id: WorkerId) -> Option<(WorkerState, Option<JobId>, Option<Time>)> {
        let worker = self.workers.get(&id)?;
        let since = match worker.phase {
            Phase::Idle => Some(worker.idle_since),
            Phase::Busy(_) | Phase::Stopping { .. } => Some(worker.began_at),
            Phase::Starting | Phase::Killed { .. } | Phase::Retiring { .. } => None,
        };
        Some((worker.phase.state(), worker.phase.job(), since))
    }

    /// Returns the serving worker whose job began last. Its job is likely to end first, because a
    /// job that has run for long may continue for long.
    pub(crate) fn last_to_begin(&self) -> Option<WorkerId> {
        let serving = self.workers.iter().filter(|(_, worker)| worker.phase.is_in_service());
        serving.max_by_key(|&(&id, worker)| (worker.began_at, id)).map(|(&id, _)| id)
    }

    /// Returns the times at which those workers began their jobs that have not been asked to give them up.
    pub(crate) fn busy_since(&self) -> impl Iterator<Item = Time> + '_ {
        let busy = |worker: &&Worker| matches!(worker.phase, Phase::Busy(_));
        self.workers.values().filter(busy).map(|worker| worker.began_at)
    }

    /// Returns the ids, oldest first, so that each pass over all workers has the same order.
    pub(crate) fn ids(&self) -> Vec<WorkerId> {
        let mut ids: Vec<_> = self.workers.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Marks a worker for replacement. Ignores a worker that is out of service. An outdated worker
    /// stays outdated.
    pub(crate) fn tire(&mut self, id: WorkerId, why: Tired) {
        if let Some(worker) = self.workers.get_mut(&id)
            && !worker.phase.is_retiring()
            && worker.tired != Some(Tired::Outdated)
        {
            self.census.count_tired(worker.tired.replace(why), why);
        }
    }

    /// Marks every worker of an older generation.
    pub(crate) fn outdate(&mut self, current: Generation) {
        for id in self.ids() {
            if self.workers.get(&id).is_some_and(|worker| worker.generation < current) {
                self.tire(id, Tired::Outdated);
            }
        }
    }

    /// Adds a new worker under a new id.
    pub(crate) fn add(&mut self, generation: Generation) -> WorkerId {
        let id = WorkerId(self.next_id);
        self.next_id += 1;
        let worker = Worker {
            phase: Phase::Starting,
            tired: None,
            generation,
            standing: Standing::Unready,
            timer: None,
            lifetime: None,
            jobs_left: None,
            idle_since: Time::ZERO,
            has_hung_up: false,
            is_dismissed: false,
            takes_ahead: false,
            ahead: Line::default(),
            is_watched: false,
            runs_bytes: 0,
            began_at: Time::ZERO,
            is_on_offer: false,
            is_recalled: false,
        };
        self.workers.insert(id, worker);
        self.census.count_in(id, Phase::Starting);
        id
    }

    /// Moves a worker to another phase and returns it. Does nothing if the worker no longer exists.
    pub(crate) fn enter(&mut self, id: WorkerId, phase: Phase) -> Option<&mut Worker> {
        let worker = self.workers.get_mut(&id)?;
        let left = std::mem::replace(&mut worker.phase, phase);
        self.census.count_out(id, left);
        self.census.count_in(id, phase);
        if phase.is_retiring() && !left.is_retiring() {
            self.census.count_rested(worker.tired);
        }
        Some(worker)
    }

    pub(crate) fn remove(&mut self, id: WorkerId) -> Option<Worker> {
        let worker = self.workers.remove(&id)?;
        self.census.count_out(id, worker.phase);
        if !worker.phase.is_retiring() {
            self.census.count_rested(worker.tired);
        }
        Some(worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle_fleet(size: usize) -> (Fleet, Vec<WorkerId>) {
        let mut fleet = Fleet::default();
        let ids: Vec<_> = (0..size).map(|_| fleet.add(Generation(0))).collect();
        for &id in &ids {
            fleet.enter(id, Phase::Idle);
        }
        (fleet, ids)
    }

    #[test]
    fn the_last_to_become_idle_is_the_first_to_be_used() {
        let (mut fleet, ids) = idle_fleet(3);
        assert_eq!(fleet.warmest(), Some(ids[2]));
        fleet.enter(ids[2], Phase::Busy(JobId(0)));
        assert_eq!(fleet.warmest(), Some(ids[1]));
        fleet.enter(ids[2], Phase::Idle);
        assert_eq!(fleet.warmest(), Some(ids[2]));
    }

    #[test]
    fn a_dead_idle_worker_is_never_used() {
        let (mut fleet, ids) = idle_fleet(3);
        fleet.remove(ids[1]);
        fleet.remove(ids[2]);
        assert_eq!(fleet.warmest(), Some(ids[0]));
        assert_eq!(fleet.strength(), 1);
    }

    #[test]
    fn retiring_workers_do_not_count_for_strength() {
        let (mut fleet, ids) = idle_fleet(2);
        fleet.enter(ids[0], Phase::Retiring { killed: false, cause: Cause::Idle });
        fleet.enter(ids[0], Phase::Retiring { killed: true, cause: Cause::Idle });
        assert_eq!((fleet.strength(), fleet.retiring()), (1, 1));
        fleet.remove(ids[0]);
        assert_eq!((fleet.strength(), fleet.retiring()), (1, 0));
    }

    #[test]
    fn the_counts_by_state_are_those_of_a_look_at_each_worker() {
        let (mut fleet, ids) = idle_fleet(6);
        let job = JobId(0);
        fleet.enter(ids[1], Phase::Busy(job));
        fleet.enter(ids[2], Phase::Busy(job));
        fleet.enter(ids[2], Phase::Stopping { job, cause: Cause::TimedOut });
        fleet.enter(ids[3], Phase::Killed { job: Some(job), cause: None });
        fleet.enter(ids[4], Phase::Retiring { killed: false, cause: Cause::Idle });
        fleet.add(Generation(0));
        let check = |fleet: &Fleet| {
            use WorkerState::{Busy, Idle, Retiring, Starting, Stopping};
            for state in [Starting, Idle, Busy, Stopping, Retiring] {
                let looked_at = fleet.iter().filter(|&(_, it, _)| it == state).count();
                assert_eq!(fleet.in_state(state), looked_at, "{state:?}");
            }
        };
        check(&fleet);
        fleet.enter(ids[2], Phase::Killed { job: Some(job), cause: None });
        fleet.remove(ids[3]);
        check(&fleet);
        ids.into_iter().for_each(|id| drop(fleet.remove(id)));
        check(&fleet);
    }

    #[test]
    fn a_dead_workers_id_is_not_used_again() {
        let (mut fleet, ids) = idle_fleet(1);
        fleet.remove(ids[0]);
        assert_ne!(fleet.add(Generation(0)), ids[0]);
        fleet.enter(ids[0], Phase::Idle);
        assert_eq!(fleet.warmest(), None);
    }
}
