//! The workers and what each is doing. Refuses to decide anything: it keeps its counts right, others transition.

use crate::id_map::IdMap;
use crate::restarts::Standing;
use crate::timers::Timer;
use crate::{JobId, WorkerId};

/// What a worker is doing, as a status page would say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// Its process is on its way up.
    Starting,
    /// Ready, and without a job.
    Idle,
    /// Running a job.
    Busy,
    /// Its job was resolved without it and it has been asked to give up, or it has been killed; either way it gets
    /// no job until it has answered or died.
    Stopping,
    /// Out of service and asked to exit.
    Retiring,
}

/// What a worker is doing, as the scheduler needs to know it. Whether the job is still to be resolved is the job
/// table's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Idle,
    Busy(JobId),
    /// Asked to give up a job that was resolved without it; it may answer within the grace.
    Stopping(JobId),
    /// SIGKILL is on its way. It keeps its place in the pool until its death arrives.
    Killed {
        job: Option<JobId>,
        cause: Cause,
    },
    /// Asked to exit; it does not count for the pool's strength any more.
    Retiring {
        killed: bool,
    },
}

/// Why a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody wants it gone; its executable may be as good as any.
    Asked,
    /// It broke the protocol.
    Violation,
}

impl Phase {
    /// The job that it was given and has not answered.
    pub(crate) const fn job(self) -> Option<JobId> {
        match self {
            Self::Busy(job) | Self::Stopping(job) => Some(job),
            Self::Killed { job, .. } => job,
            Self::Starting | Self::Idle | Self::Retiring { .. } => None,
        }
    }

    /// Whether its death would be somebody's wish rather than its own doing.
    pub(crate) const fn is_asked_to_go(self) -> bool {
        match self {
            Self::Stopping(_) | Self::Retiring { .. } | Self::Killed { cause: Cause::Asked, .. } => true,
            Self::Starting | Self::Idle | Self::Busy(_) | Self::Killed { cause: Cause::Violation, .. } => {
                false
            }
        }
    }

    const fn state(self) -> WorkerState {
        match self {
            Self::Starting => WorkerState::Starting,
            Self::Idle => WorkerState::Idle,
            Self::Busy(_) => WorkerState::Busy,
            Self::Stopping(_) | Self::Killed { .. } => WorkerState::Stopping,
            Self::Retiring { .. } => WorkerState::Retiring,
        }
    }
}

/// What is known about one worker.
#[derive(Debug)]
pub(crate) struct Worker {
    phase: Phase,
    pub(crate) standing: Standing,
    /// Rings when its grace or its stop timeout is over.
    pub(crate) timer: Option<Timer>,
}

impl Worker {
    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }
}

/// All workers that have been started and have not died.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    workers: IdMap<WorkerId, Worker>,
    /// The last to become idle is on top: its caches are the warmest.
    idle: Vec<WorkerId>,
    starting: usize,
    retiring: usize,
    next_id: u64,
}

impl Fleet {
    /// Workers in service, ready or not: all but the retiring ones.
    pub(crate) fn strength(&self) -> usize {
        self.workers.len() - self.retiring
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    pub(crate) const fn starting(&self) -> usize {
        self.starting
    }

    pub(crate) const fn retiring(&self) -> usize {
        self.retiring
    }

    /// The idle worker to use next.
    pub(crate) fn warmest(&self) -> Option<WorkerId> {
        self.idle.last().copied()
    }

    pub(crate) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.get_mut(&id)
    }

    pub(crate) fn phase(&self, id: WorkerId) -> Option<Phase> {
        self.workers.get(&id).map(Worker::phase)
    }

    /// In no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (WorkerId, WorkerState, Option<JobId>)> + '_ {
        self.workers.iter().map(|(&id, worker)| (id, worker.phase.state(), worker.phase.job()))
    }

    /// Oldest first, so that whoever goes through all workers does it in the same order every time.
    pub(crate) fn ids(&self) -> Vec<WorkerId> {
        let mut ids: Vec<_> = self.workers.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Takes in a new worker under a new id.
    pub(crate) fn add(&mut self) -> WorkerId {
        let id = WorkerId(self.next_id);
        self.next_id += 1;
        self.workers.insert(id, Worker { phase: Phase::Starting, standing: Standing::Unready, timer: None });
        self.count_in(id, Phase::Starting);
        id
    }

    /// Moves a worker to another phase; nothing happens to one that is no more.
    pub(crate) fn enter(&mut self, id: WorkerId, phase: Phase) {
        if let Some(worker) = self.workers.get_mut(&id) {
            let left = std::mem::replace(&mut worker.phase, phase);
            self.count_out(id, left);
            self.count_in(id, phase);
        }
    }

    pub(crate) fn remove(&mut self, id: WorkerId) -> Option<Worker> {
        let worker = self.workers.remove(&id)?;
        self.count_out(id, worker.phase);
        Some(worker)
    }

    fn count_in(&mut self, id: WorkerId, phase: Phase) {
        match phase {
            Phase::Starting => self.starting += 1,
            Phase::Idle => self.idle.push(id),
            Phase::Retiring { .. } => self.retiring += 1,
            Phase::Busy(_) | Phase::Stopping(_) | Phase::Killed { .. } => {}
        }
    }

    fn count_out(&mut self, id: WorkerId, phase: Phase) {
        match phase {
            Phase::Starting => self.starting -= 1,
            Phase::Idle => self.remove_idle(id),
            Phase::Retiring { .. } => self.retiring -= 1,
            Phase::Busy(_) | Phase::Stopping(_) | Phase::Killed { .. } => {}
        }
    }

    /// The top of the stack, which a job takes, is found at once; a death further down may search.
    fn remove_idle(&mut self, id: WorkerId) {
        if let Some(index) = self.idle.iter().rposition(|&idle| idle == id) {
            self.idle.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle_fleet(size: usize) -> (Fleet, Vec<WorkerId>) {
        let mut fleet = Fleet::default();
        let ids: Vec<_> = (0..size).map(|_| fleet.add()).collect();
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
        fleet.enter(ids[0], Phase::Retiring { killed: false });
        fleet.enter(ids[0], Phase::Retiring { killed: true });
        assert_eq!((fleet.strength(), fleet.retiring()), (1, 1));
        fleet.remove(ids[0]);
        assert_eq!((fleet.strength(), fleet.retiring()), (1, 0));
    }

    #[test]
    fn a_dead_workers_id_is_not_used_again() {
        let (mut fleet, ids) = idle_fleet(1);
        fleet.remove(ids[0]);
        assert_ne!(fleet.add(), ids[0]);
        fleet.enter(ids[0], Phase::Idle);
        assert_eq!(fleet.warmest(), None);
    }
}
