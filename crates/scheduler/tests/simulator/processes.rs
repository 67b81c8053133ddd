//! The processes, as far as a scheduler can observe them, and the promises about them. Rejects
//! orders that no real process could follow.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use procpool_scheduler::{Config, Generation, JobId, Time, WorkerId};

use crate::broken::{Broken, broken};
use crate::ledger::holds;

/// One process that was started and has not ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    pub(crate) generation: Generation,
    pub(crate) is_ready: bool,
    pub(crate) job: Option<JobId>,
    /// Jobs that it holds and will run after that one.
    pub(crate) ahead: VecDeque<JobId>,
    /// Jobs that it held ahead and will not begin. The pool is about to learn of this.
    pub(crate) given_back: VecDeque<JobId>,
    /// The job that it was about to begin when it was recalled.
    pub(crate) passed_over: Option<JobId>,
    pub(crate) takes_ahead: bool,
    /// Jobs that it ran after it had broken the protocol, when the coordinator ignored it.
    pub(crate) unheard: Vec<JobId>,
    /// The pool has asked it to give back the jobs that it has not begun. It has not received the
    /// request yet.
    pub(crate) is_recalled: bool,
    /// Time at which it began the job that it runs.
    pub(crate) began_at: Time,
    /// It has finished its last job, and does not begin the one that it holds.
    pub(crate) is_over: bool,
    pub(crate) jobs_done: u64,
    pub(crate) is_killed: bool,
    pub(crate) is_retiring: bool,
    /// It was asked to give up its job, or to exit. The pool kills it at this time unless it obeys.
    pub(crate) spared_until: Option<Time>,
    /// Whether it would obey.
    pub(crate) obeys: bool,
    pub(crate) ready_at: Time,
    pub(crate) idle_since: Time,
    pub(crate) is_suspect: bool,
    pub(crate) has_hung_up: bool,
    pub(crate) is_outgrown: bool,
    /// An operator wants it to retire.
    pub(crate) is_dismissed: bool,
    /// It broke the protocol before anything else ordered its death.
    pub(crate) is_violator: bool,
    /// It was started while the breaker was open.
    pub(crate) is_on_trial: bool,
    /// It is dead, and the coordinator has not noticed yet.
    pub(crate) is_dead: bool,
}

impl Process {
    /// Returns whether it can take jobs.
    pub(crate) fn serves(&self) -> bool {
        let is_leaving = self.has_hung_up && self.job.is_none();
        self.is_ready && !self.is_killed && !self.is_retiring && !is_leaving
    }

    /// Returns whether it is idle as far as the pool knows.
    pub(crate) fn is_idle(&self) -> bool {
        self.serves() && self.job.is_none() && self.given_back.is_empty() && self.passed_over.is_none()
    }

    /// Returns whether its death was ordered.
    pub(crate) fn was_asked(&self) -> bool {
        self.is_retiring || self.spared_until.is_some() || (self.is_killed && !self.is_violator)
    }
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

    /// Returns a process that an action names.
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

    pub(crate) fn starting(&self) -> usize {
        self.count(|it| !it.is_ready && !it.is_killed)
    }

    /// Returns the number of processes that have or could take a job.
    pub(crate) fn ready(&self) -> usize {
        self.count(Process::serves)
    }

    pub(crate) fn count(&self, is_one: impl Fn(&Process) -> bool) -> usize {
        self.alive.values().filter(|it| is_one(it)).count()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (WorkerId, &Process)> {
        self.alive.iter().map(|(&id, process)| (id, process))
    }

    /// Ends every trial. An earlier worker on trial does not count for the next one.
    pub(crate) fn end_trials(&mut self) {
        self.alive.values_mut().for_each(|it| it.is_on_trial = false);
    }

    pub(crate) fn retiring(&self) -> usize {
        self.count(|it| it.is_retiring)
    }

    /// Returns whether no worker in service is of an older generation.
    pub(crate) fn are_of(&self, generation: Generation) -> bool {
        self.alive.values().all(|it| it.is_retiring || it.generation >= generation)
    }

    /// Assigns a job. Returns whether the process begins it now.
    pub(crate) fn assign(
        &mut self,
        id: WorkerId,
        job: JobId,
        is_suspect: bool,
        config: &Config,
    ) -> Result<bool, Broken> {
        let stays = !self.ordered(id)?.is_dismissed;
        holds(stays, "the_dismissed_get_no_job", || format!("{id} gets job {job}"))?;
        if self.ordered(id)?.job.is_some() || self.ordered(id)?.passed_over.is_some() {
            return self.assign_ahead(id, job, config).map(|()| false);
        }
        let per_job = config.process_per_job;
        let warmest = self.alive.values().filter(|it| it.is_idle()).map(|it| it.idle_since).max();
        let process = self.ordered(id)?;
        let is_idle = process.is_idle() && !process.is_suspect;
        let is_warmest = warmest == Some(process.idle_since) || is_suspect;
        let is_fresh = process.jobs_done == 0;
        process.job = Some(job);
        holds(is_idle, "one_job_per_worker", || format!("{id} gets job {job} and is not idle"))?;
        holds(is_warmest, "the_warmest_works", || format!("{id} gets job {job}, and another is warmer"))?;
        holds(is_fresh || !per_job, "one_job_per_process", || format!("{id} gets job {job}, its second"))?;
        Ok(true)
    }

    fn assign_ahead(&mut self, id: WorkerId, job: JobId, config: &Config) -> Result<(), Broken> {
        let is_any_idle = self.count(Process::is_idle) > 0;
        let process = self.ordered(id)?;
        let may = process.takes_ahead && process.serves() && !process.is_suspect && !process.has_hung_up;
        process.ahead.push_back(job);
        let fits = process.ahead.len() <= config.ahead;
        holds(may && fits, "one_job_per_worker", || format!("{id} gets job {job}, and has one"))?;
        holds(!is_any_idle, "nobody_waits_beside_an_idle_worker", || format!("job {job} is sent ahead"))
    }

    pub(crate) fn kill(&mut self, id: WorkerId, job: Option<JobId>) -> Result<(), Broken> {
        let process = self.ordered(id)?;
        let is_that_job = process.job == job
            || job.is_some_and(|job| process.given_back.contains(&job) || process.passed_over == Some(job));
        let is_first = !std::mem::replace(&mut process.is_killed, true);
        process.spared_until = None;
        holds(is_that_job, "kills_hit_one_job", || format!("{id} is killed for {job:?}"))?;
        holds(is_first, "no_order_to_the_dead", || format!("{id} is killed twice"))
    }

    pub(crate) fn retire(&mut self, id: WorkerId, spared_until: Time) -> Result<(), Broken> {
        let process = self.ordered(id)?;
        let may = process.is_idle();
        process.is_retiring = true;
        process.spared_until = Some(spared_until);
        holds(may, "one_job_per_worker", || format!("{id} is asked to exit, and is not idle"))
    }

    pub(crate) fn check_spared(&self, now: Time, lateness: Duration) -> Result<(), Broken> {
        let is_late = |it: &Process| it.spared_until.is_some_and(|at| at + lateness < now);
        match self.alive.iter().find(|(_, process)| is_late(process)) {
            Some((id, _)) => Err(broken("deadlines_end_in_a_kill", format!("{id} outlives its grace"))),
            None => Ok(()),
        }
    }
}
