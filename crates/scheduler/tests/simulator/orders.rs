//! The scheduler's orders, carried out as the coordinator and the processes would do it, and
//! compared with its promises.

use std::time::Duration;

use procpool_scheduler::{Action, Generation, JobId, ReloadEnd, Verdict, WorkerId};

use crate::agenda::{Happening, How, Make};
use crate::broken::{Broken, broken};
use crate::happenings::Strikes;
use crate::ledger::holds;
use crate::pauses::Shown;
use crate::plan::Story;
use crate::run::Run;

impl Run {
    pub(crate) fn perform(&mut self, action: Action) -> Result<(), Broken> {
        let is_answer = matches!(action, Action::Refuse { .. } | Action::Reloaded { .. });
        holds(is_answer || !self.is_drained, "nothing_after_shutdown", || {
            format!("{action:?} after the end")
        })?;
        match action {
            Action::Refuse { job, reason } => self.refuse(job, reason),
            Action::Start { worker, generation } => {
                self.processes.start(worker, generation)?;
                self.started.push(worker);
                self.hatch(worker, generation);
                Ok(())
            }
            Action::Identify { job } => {
                let is_new = self.asked.insert(job) && self.ledger.is_open(job);
                let after = Duration::from_millis(3).mul_f64(self.fraction());
                self.agenda.put(self.now + after, Happening::Identify(job));
                holds(is_new, "payloads_are_asked_for_once", || format!("job {job} is asked for again"))
            }
            Action::Assign { worker, job, attempt, remaining } => {
                self.assign(worker, job, attempt, remaining)
            }
            Action::Cancel { worker, job } => self.cancel(worker, job),
            Action::Recall { worker } => {
                self.processes.ordered(worker)?.is_recalled = true;
                let after = Duration::from_micros(500).mul_f64(self.fraction());
                self.agenda.put(self.now + after, Happening::Recall(worker));
                Ok(())
            }
            Action::Kill { worker, job } => {
                // A kill for another job than the worker's is the graver fault, so it is reported
                // first.
                let has_reason = self.check_kill(worker);
                self.processes.kill(worker, job)?;
                self.ends_within(worker, Duration::from_millis(2), How::Killed);
                has_reason
            }
            Action::Retire { worker } => {
                self.check_retirement(worker)?;
                self.processes.retire(worker, self.now + self.plan.config.stop_timeout)?;
                // Some take longer than the timeout, and are killed for it.
                self.ends_within(worker, self.plan.config.stop_timeout * 2, How::Own);
                Ok(())
            }
            Action::Resolve { job, verdict } => self.resolve(job, verdict),
            Action::Reloaded { generation, end } => self.reloaded(generation, end),
            Action::Drained => {
                self.is_drained = true;
                let is_empty = self.ledger.open() == 0 && self.processes.len() == 0;
                holds(is_empty && self.is_ending, "nothing_is_lost", || "Drained too early".into())
            }
        }
    }

    fn ends_within(&mut self, worker: WorkerId, time: Duration, death: How) {
        let after = time.mul_f64(self.fraction());
        let end = Happening::Die { worker, job: None, handed_over: true, death, answered: false };
        self.agenda.put(self.now + after, end);
    }

    fn assign(
        &mut self,
        worker: WorkerId,
        job: JobId,
        attempt: u32,
        remaining: Option<Duration>,
    ) -> Result<(), Broken> {
        holds(!self.is_held, "nothing_begins_in_a_pause", || format!("job {job} is given out"))?;
        holds(!self.is_stopped, "nothing_after_shutdown", || format!("job {job} is given out after a stop"))?;
        let entry = self.ledger.get(job)?;
        let (is_suspect, payload) = (entry.is_suspect, entry.payload);
        let poison = self.plan.config.poison;
        let recent = |it: &&Strikes| self.now < it.last + poison.memory;
        let strikes = self.strikes.get(&payload).filter(recent).copied();
        self.check_first(worker, job, strikes.is_some())?;
        let begins = self.processes.assign(worker, job, is_suspect, &self.plan.config)?;
        self.ledger.assign(job, attempt, remaining, self.now)?;
        let is_free = strikes.is_none_or(|strikes| !strikes.are_enough(poison));
        holds(is_free, "poison_is_not_run", || format!("job {job} is run after {strikes:?}"))?;
        if attempt == 1 {
            self.check_client(job)?;
        }
        if begins {
            self.processes.ordered(worker)?.began_at = self.now;
            return self.run_job(worker, job, remaining);
        }
        self.ledger.get(job)?.is_ahead = true;
        self.coverage.met("sent ahead");
        Ok(())
    }

    /// Checks which worker gets a job whose payload has killed. The worker may have run other jobs
    /// only if no fresh worker is available or starting, or if there is no room aside.
    fn check_first(&mut self, worker: WorkerId, job: JobId, has_killed: bool) -> Result<(), Broken> {
        let comes = self.processes.count(|it| it.is_idle() && it.jobs_done == 0) + self.processes.starting();
        let is_first = self.processes.ordered(worker)?.jobs_done == 0;
        if !has_killed || is_first || comes == 0 {
            return Ok(());
        }
        let (bytes, config) = (self.ledger.get(job)?.terms.bytes, self.plan.config);
        let after = Shown::of(&self.pool.scheduler);
        let is_full = self.before.is_full_aside(bytes, &config) || after.is_full_aside(bytes, &config);
        holds(is_full, "suspects_run_first", || {
            format!("job {job} has killed, and is given to {worker}, though {comes} have run nothing")
        })
    }

    fn cancel(&mut self, worker: WorkerId, job: JobId) -> Result<(), Broken> {
        let is_open = self.ledger.is_open(job);
        holds(!is_open, "one_outcome", || format!("job {job} is given up before its end"))?;
        let spared_until = self.now + self.plan.config.grace;
        let process = self.processes.ordered(worker)?;
        if process.ahead.contains(&job) || process.given_back.contains(&job) {
            return Ok(());
        }
        if process.passed_over == Some(job) {
            process.spared_until = Some(spared_until);
            return Ok(());
        }
        let is_that_job = process.job == Some(job);
        process.spared_until = Some(spared_until);
        let obeys = process.obeys;
        holds(is_that_job, "kills_hit_one_job", || format!("{worker} is to give up {job}"))?;
        if obeys {
            let after = self.plan.config.grace.mul_f64(1.2 * self.fraction());
            self.agenda.put(self.now + after, Happening::Answer { worker, job, panics: false });
        }
        Ok(())
    }

    fn resolve(&mut self, job: JobId, verdict: Verdict) -> Result<(), Broken> {
        self.coverage.verdict(verdict);
        self.ledger.resolve(job, verdict, self.now)?;
        self.check_verdict(job, verdict)?;
        let is_well = verdict == Verdict::Finished || self.plan.story != Story::Calm || self.is_ending;
        holds(is_well, "no_job_fails_when_all_is_well", || format!("job {job} ends as {verdict:?}"))
    }

    fn reloaded(&mut self, generation: Generation, end: ReloadEnd) -> Result<(), Broken> {
        self.coverage.reload(end);
        if !self.reloads.remove(&generation) {
            return Err(broken("reloads_tell_the_truth", format!("{generation:?} ends again, as {end:?}")));
        }
        self.last_end = Some(end);
        let is_good = self.makes.of(generation) == Make::Good;
        let is_true = match end {
            ReloadEnd::Done => {
                self.last_done = generation;
                is_good && self.processes.are_of(generation)
            }
            ReloadEnd::CanaryDied => !is_good || self.plan.story != Story::Calm,
            // A good generation that had begun may be superseded, and so may a bad one that never
            // had its turn.
            ReloadEnd::Superseded => true,
            ReloadEnd::ShutDown => self.is_ending,
        };
        holds(is_true, "reloads_tell_the_truth", || format!("{generation:?} is said to be {end:?}"))
    }
}
