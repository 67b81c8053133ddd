//! The processes, as far as a scheduler can tell, and what is promised of them. Refuses orders that no real process could
//! follow.

use std::collections::BTreeMap;

use procpool_scheduler::{Generation, JobId, Time, WorkerId};

use crate::broken::{Broken, broken};
use crate::ledger::holds;

/// One process that was started and has not ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    pub(crate) generation: Generation,
    pub(crate) is_ready: bool,
    pub(crate) job: Option<JobId>,
    pub(crate) jobs_done: u64,
    pub(crate) is_killed: bool,
    pub(crate) is_retiring: bool,
    /// It was asked to give its job up, and is to be killed by then if it does not.
    pub(crate) doomed_at: Option<Time>,
    /// Whether it would.
    pub(crate) obeys: bool,
}

/// All processes.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    alive: BTreeMap<WorkerId, Process>,
    next: u64,
}

impl Processes {
    pub(crate) fn start(&mut self, id: WorkerId, generation: Generation) -> Result<(), Broken> {
        let is_new = id.0 >= self.next;
        self.next = id.0 + 1;
        self.alive.insert(id, Process { generation, ..Process::default() });
        holds(is_new, "no_order_to_the_dead", || format!("{id} is used again"))
    }

    /// A process that an action names.
    pub(crate) fn ordered(&mut self, id: WorkerId) -> Result<&mut Process, Broken> {
        self.alive
            .get_mut(&id)
            .ok_or_else(|| broken("no_order_to_the_dead", format!("{id} is dead, or never was")))
    }

    pub(crate) fn get(&mut self, id: WorkerId) -> Option<&mut Process> {
        self.alive.get_mut(&id)
    }

    pub(crate) fn end(&mut self, id: WorkerId) -> Option<Process> {
        self.alive.remove(&id)
    }

    pub(crate) fn ids(&self) -> Vec<WorkerId> {
        self.alive.keys().copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.alive.len()
    }

    /// Those that have or could have a job.
    pub(crate) fn ready(&self) -> usize {
        let serves = |it: &&Process| it.is_ready && !it.is_killed && !it.is_retiring;
        self.alive.values().filter(serves).count()
    }

    pub(crate) fn retiring(&self) -> usize {
        self.alive.values().filter(|it| it.is_retiring).count()
    }

    /// Whether nobody in service is of an older make.
    pub(crate) fn are_of(&self, generation: Generation) -> bool {
        self.alive.values().all(|it| it.is_retiring || it.generation >= generation)
    }

    pub(crate) fn assign(&mut self, id: WorkerId, job: JobId, per_job: bool) -> Result<(), Broken> {
        let process = self.ordered(id)?;
        let is_idle = process.is_ready && process.job.is_none() && !process.is_killed && !process.is_retiring;
        let is_fresh = process.jobs_done == 0;
        process.job = Some(job);
        holds(is_idle, "one_job_per_worker", || format!("{id} gets job {job} and is not idle"))?;
        holds(is_fresh || !per_job, "one_job_per_process", || format!("{id} gets job {job}, its second"))
    }

    pub(crate) fn kill(&mut self, id: WorkerId, job: Option<JobId>) -> Result<(), Broken> {
        let process = self.ordered(id)?;
        let is_that_job = process.job == job;
        let is_first = !std::mem::replace(&mut process.is_killed, true);
        process.doomed_at = None;
        holds(is_that_job, "kills_hit_one_job", || format!("{id} is killed for {job:?}"))?;
        holds(is_first, "no_order_to_the_dead", || format!("{id} is killed twice"))
    }

    pub(crate) fn retire(&mut self, id: WorkerId) -> Result<(), Broken> {
        let process = self.ordered(id)?;
        let may = process.is_ready && process.job.is_none() && !process.is_killed && !process.is_retiring;
        process.is_retiring = true;
        holds(may, "one_job_per_worker", || format!("{id} is asked to exit, and is not idle"))
    }

    pub(crate) fn check_doomed(&self, now: Time) -> Result<(), Broken> {
        let is_late = |it: &Process| it.doomed_at.is_some_and(|at| at < now);
        match self.alive.iter().find(|(_, process)| is_late(process)) {
            Some((id, _)) => Err(broken("deadlines_end_in_a_kill", format!("{id} outlives its grace"))),
            None => Ok(()),
        }
    }
}
