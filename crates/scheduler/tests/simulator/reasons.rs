//! Why a worker is killed or retired: a request, or the end of its time. A working worker is left
//! alone.

use std::time::Duration;

use procpool_scheduler::{Cause, Event, JobId, WorkerId};

use crate::agenda::How;
use crate::broken::Broken;
use crate::ledger::holds;
use crate::processes::Process;
use crate::run::Run;

/// Maximum time for a recall: the patience, its detection, and the transport.
const BEHIND: Duration = Duration::from_millis(5);

/// Maximum time for the replacement of all workers, one after the other.
const RENEWAL: Duration = Duration::from_secs(1);

impl Run {
    /// Checks that a kill follows a request or the end of a timeout. The worker must not have
    /// obeyed an order since.
    pub(crate) fn check_kill(&mut self, id: WorkerId) -> Result<(), Broken> {
        let (now, max) = (self.now, self.plan.config.max_workers);
        let are_retiring = self.processes.retiring() >= max;
        let process = self.processes.ordered(id)?;
        let is_wanted = match self.cause {
            Event::Kill { worker } | Event::Violated { worker } => worker == id,
            Event::Retire { worker } => worker == id && !process.is_ready,
            Event::Stalled { worker, .. } => worker == id && process.job.is_none(),
            _ => false,
        };
        let is_over = process.spared_until.is_some_and(|end| end <= now);
        let is_end = self.limit.is_some_and(|limit| limit <= now);
        // A worker that no job needs, or that would have to retire behind too many others.
        let is_surplus = process.job.is_none() && (are_retiring || (self.is_ending && !process.is_ready));
        // A worker that panicked is killed only if it holds more jobs. Otherwise it retires.
        let is_suspect = process.is_suspect && (process.job.is_some() || !process.given_back.is_empty());
        let has_reason = is_wanted || is_over || is_end || is_surplus || is_suspect;
        holds(has_reason, "kills_have_a_reason", || format!("{id} is killed, with job {:?}", process.job))
    }

    /// Buries a process that was killed because it had hung up and lived on. That is the reason, unless the
    /// pool itself had killed it before.
    pub(crate) fn bury_for_a_reason(
        &mut self,
        id: WorkerId,
        held: Option<JobId>,
        handed_over: bool,
        how: How,
    ) -> Result<(), Broken> {
        if how != How::HungUp || self.processes.get(id).is_none() {
            return self.bury(id, held, handed_over, how);
        }
        let told = |run: &Self| Cause::ALL.map(|cause| run.pool.scheduler.gone(cause));
        let cause = self.pool.scheduler.reason(id).unwrap_or(Cause::HungUp);
        let mut expected = told(self);
        expected[cause as usize] += 1;
        self.bury(id, held, handed_over, how)?;
        holds(told(self) == expected, "kills_have_a_reason", || {
            format!("{id} hung up, and {cause:?} is not told")
        })
    }

    pub(crate) fn check_retirement(&mut self, id: WorkerId) -> Result<(), Broken> {
        let config = self.plan.config;
        let current = self.pool.scheduler.generation();
        let others = self.processes.count(|it| !it.is_retiring).saturating_sub(1);
        let least = if self.is_awake { config.min_workers } else { 0 };
        let now = self.now;
        let process = self.processes.ordered(id)?;
        let is_spent =
            process.is_suspect || process.is_dismissed || (config.process_per_job && process.jobs_done > 0);
        let is_old = process.generation < current || self.may_be_worn(id);
        let process = self.processes.ordered(id)?;
        let idle_since = process.idle_since;
        let is_unused =
            config.idle_timeout.is_some_and(|timeout| idle_since + timeout <= now) && others >= least;
        // The first worker of a new generation takes the place of a surplus worker.
        let gives_way = !self.reloads.is_empty() && others >= config.max_workers;
        let has_reason = self.are_too_many(others)
            || self.was_set_apart()
            || self.is_ending
            || is_spent
            || is_old
            || is_unused
            || gives_way;
        holds(has_reason, "who_works_stays", || format!("{id} retires, idle since {idle_since:?}"))
    }

    /// Returns whether a job waited just before for a worker that had run no job, so that one is or
    /// was replaced for it.
    fn was_set_apart(&self) -> bool {
        self.pool.scheduler.set_apart() > 0
            || self.last_apart.is_some_and(|last| self.now.since(last) < RENEWAL)
    }

    /// Returns whether the worker may have reached its limit, which is up to a tenth below the
    /// configured one.
    fn may_be_worn(&mut self, id: WorkerId) -> bool {
        let (recycling, now) = (self.plan.config.recycling, self.now);
        let Some(process) = self.processes.get(id) else { return false };
        let by_jobs = recycling.jobs.is_some_and(|jobs| process.jobs_done >= jobs.get() - jobs.get() / 10);
        let age = now.since(process.ready_at);
        let by_age = recycling.lifetime.is_some_and(|lifetime| age >= lifetime.mul_f64(0.899));
        process.is_ready && (process.is_outgrown || by_jobs || by_age)
    }

    /// Returns whether the breaker was open, or a pause lasted, just before. The pool replaces no
    /// worker then, and has to catch up afterwards.
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.now.since(self.last_trouble) < RENEWAL
    }

    /// Checks that no job waits for long behind a long job.
    pub(crate) fn check_ahead(&self) -> Result<(), Broken> {
        let most = BEHIND + 2 * self.plan.lateness;
        let is_late = |it: &Process| {
            !it.ahead.is_empty() && !it.is_recalled && it.serves() && self.now.since(it.began_at) > most
        };
        let late = self.processes.iter().find(|(_, it)| is_late(it));
        holds(late.is_none(), "nobody_waits_behind_a_long_job", || format!("{late:?}"))
    }

    /// Checks, long after the last job, that every worker that has reached its limit is gone.
    pub(crate) fn check_worn(&self) -> Result<(), Broken> {
        let (recycling, now) = (self.plan.config.recycling, self.now);
        let is_worn = |process: &Process| {
            let by_jobs = recycling.jobs.is_some_and(|jobs| process.jobs_done >= jobs.get());
            let age = now.since(process.ready_at);
            let is_unwanted = process.is_outgrown || process.is_dismissed;
            is_unwanted || by_jobs || recycling.lifetime.is_some_and(|most| age > most + RENEWAL)
        };
        let worn = self.processes.iter().find(|(_, it)| it.serves() && is_worn(it));
        holds(worn.is_none() || self.is_in_trouble(), "the_worn_are_replaced", || {
            format!("{worn:?} still serves")
        })
    }

    /// Checks that a worker beyond the maximum exists only because another one goes.
    pub(crate) fn check_surplus(&self) -> Result<(), Broken> {
        let max = self.plan.config.max_workers;
        let current = self.pool.scheduler.generation();
        let is_above = self.processes.count(|it| !it.is_retiring) > max;
        let recycling = self.plan.config.recycling;
        let renews = recycling.jobs.is_some() || recycling.lifetime.is_some();
        let is_going = |it: &Process| it.generation != current || it.is_outgrown || it.is_dismissed;
        let has_reason = self.processes.iter().any(|(_, it)| is_going(it));
        let is_fine = !is_above
            || self.is_shrinking()
            || self.was_set_apart()
            || renews
            || has_reason
            || self.is_ending;
        holds(is_fine, "strength_is_bounded", || format!("one more than {max}, and nobody is replaced"))
    }
}
