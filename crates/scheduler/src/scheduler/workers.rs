//! The life of a worker: ready, busy, asked to stop, killed, dead. Does not: decide the number of
//! workers.

use std::time::Duration;

use super::{Due, Scheduler};
use crate::fleet::{Tired, Worker};
use crate::line::Ahead;
use crate::phase::Phase;
use crate::restarts::Standing;
use crate::{Action, Cause, Death, Fingerprint, Health, JobId, Verdict, WorkerId};

impl Scheduler {
    pub(super) fn ready(&mut self, id: WorkerId, takes_ahead: bool) {
        let takes_ahead = takes_ahead && self.config.ahead > 0 && !self.config.process_per_job;
        match self.fleet.get_mut(id) {
            Some(worker) if worker.phase() == Phase::Starting => {
                worker.standing = Standing::Untried;
                worker.takes_ahead = takes_ahead;
                self.counters.ready += 1;
                self.rest(id);
                self.allot(id);
                if self.rollout.is_canary(id) {
                    self.promote();
                }
                self.await_lull();
            }
            _ => self.counters.stale_events += 1,
        }
    }

    /// Ends a backoff. A reload that cancels a backoff leaves its timer armed, so the timer must
    /// not end a later one.
    pub(super) fn backoff_is_over(&mut self) {
        if self.restarts.until().is_none_or(|until| until > self.now) {
            return;
        }
        self.restarts.resume();
        self.await_lull();
    }

    /// Sets the timer that closes an open breaker after a while without failures. There may be no
    /// job that proves a worker, and a pool with enough serving workers needs no proof.
    fn await_lull(&mut self) {
        if self.restarts.is_open() {
            let failures = self.restarts.total();
            self.timers.arm(self.now + self.config.breaker.window, Due::Lull { failures });
        }
    }

    /// Closes the breaker if there has been no failure. Waits longer if a starting worker may still
    /// fail.
    pub(super) fn lull_is_over(&mut self, failures: u64) {
        if self.restarts.total() != failures {
            return;
        }
        if self.fleet.starting() > 0 {
            self.await_lull();
        } else if self.fleet.serving() > 0 {
            self.restarts.proven();
        }
    }

    pub(super) fn rest(&mut self, id: WorkerId) {
        if let Some(worker) = self.fleet.enter(id, Phase::Idle) {
            worker.idle_since = self.now;
            if worker.is_dismissed {
                self.retire(id, Cause::Ordered);
            }
        }
    }

    pub(super) fn done(&mut self, id: WorkerId, job: JobId, health: Health) {
        let answered = self.fleet.get_mut(id).filter(|worker| worker.phase().job() == Some(job));
        let Some(worker) = answered else {
            self.counters.late_results += 1;
            return;
        };
        let (phase, has_hung_up) = (worker.phase(), worker.has_hung_up);
        let next = worker.ahead.pop();
        let began_at = worker.began_at;
        if worker.takes_ahead {
            self.pace.saw(self.now.since(began_at));
        }
        // A job that ran into its deadline tells that runs are long. One that was cancelled tells nothing.
        if matches!(phase, Phase::Busy(_) | Phase::Stopping { cause: Cause::TimedOut, .. }) {
            self.run_times.saw(self.now.as_nanos().saturating_sub(began_at.as_nanos()));
        }
        let was_proven = std::mem::replace(&mut worker.standing, Standing::Proven) == Standing::Proven;
        // A worker of an older generation proves nothing about the current generation.
        if worker.generation == self.rollout.current() {
            if !was_proven {
                self.restarts.proven();
            }
            self.restarts.job_finished();
        }
        if worker.wears_out() {
            self.fleet.tire(id, Tired::Worn);
        }
        if !self.finish(job, id) {
            self.counters.late_results += 1;
        }
        if let Phase::Killed { cause, .. } = phase {
            return self.is_leaving(id, next, cause);
        }
        if matches!(phase, Phase::Stopping { .. }) {
            self.set_worker_timer(id, None);
        }
        if has_hung_up {
            return self.is_leaving(id, next, None);
        }
        match health {
            Health::Sound => {}
            Health::Suspect => return self.dismiss(id, next, Cause::Panicked),
            Health::Spent => return self.dismiss(id, next, Cause::Recycled),
        }
        if let Some(next) = next {
            return self.promote_ahead(id, next);
        }
        self.rest(id);
        if self.config.process_per_job {
            self.retire(id, Cause::Recycled);
        }
    }

    /// Records that the worker is about to die. It may have begun the `next` of its jobs ahead; its
    /// death will report that.
    pub(super) fn is_leaving(&mut self, id: WorkerId, next: Option<Ahead>, cause: Option<Cause>) {
        if let Some(next) = next {
            self.goes_on_with(next.job, id);
        }
        self.fleet.enter(id, Phase::Killed { job: next.map(|next| next.job), cause });
    }

    /// Retires a worker whose answer says that it cannot continue. A worker with a `next` job ahead
    /// is killed instead, and its death returns that job.
    fn dismiss(&mut self, id: WorkerId, next: Option<Ahead>, cause: Cause) {
        match next {
            Some(Ahead { job, .. }) => {
                self.goes_on_with(job, id);
                self.fleet.enter(id, Phase::Busy(job));
                self.kill(id, cause);
            }
            None => {
                self.rest(id);
                self.retire(id, cause);
            }
        }
    }

    pub(super) fn died(
        &mut self,
        id: WorkerId,
        begun: usize,
        death: Death,
        fingerprint: Option<Fingerprint>,
    ) {
        let Some(worker) = self.fleet.remove(id) else {
            self.counters.stale_events += 1;
            return;
        };
        self.counters.deaths += 1;
        for timer in [worker.timer, worker.lifetime].into_iter().flatten() {
            self.timers.disarm(timer);
        }
        if self.replacement == Some(id) {
            self.replacement = None;
        }
        if worker.is_on_offer {
            self.on_offer.retain(|&it| it != id);
        }
        self.deaths.count(worker.phase().cause_of(death, worker.standing != Standing::Unready));
        let was_asked = worker.phase().is_asked_to_go();
        // The job for which the worker was killed has its verdict, and the next job is innocent. A
        // death in an older generation says nothing about the executable in service, so it counts
        // as innocent, too.
        let is_innocent = was_asked
            || matches!(worker.phase(), Phase::Killed { cause: Some(Cause::Protocol), .. })
            || worker.generation < self.rollout.current();
        let of_its_job = if is_innocent { Death::Killed } else { death };
        let had_begun = self.bury_jobs(id, &worker, begun, of_its_job, fingerprint);
        if self.rollout.is_canary(id) {
            self.canary_died();
        } else if !was_asked && !had_begun && worker.generation == self.rollout.current() {
            self.count_death(worker.standing, death);
        }
    }

    /// Handles the unanswered jobs of a dead worker. Works from last to first, because each job
    /// that is requeued goes to the front. Returns whether the worker had begun a job. That job or
    /// an outside cause then explains the death, which says nothing about the executable.
    fn bury_jobs(
        &mut self,
        id: WorkerId,
        worker: &Worker,
        begun: usize,
        death: Death,
        fingerprint: Option<Fingerprint>,
    ) -> bool {
        let held: Vec<_> = worker.phase().job().into_iter().chain(worker.ahead.iter()).collect();
        let begun = begun.min(held.len());
        for (at, &job) in held.iter().enumerate().rev() {
            if !self.is_running_on(job, id) {
                continue;
            }
            if at + 1 < begun {
                // The result of this job is lost, and the job did not cause the death.
                self.crash(job, false, Death::Killed, None);
            } else if at + 1 == begun {
                self.crash(job, at == 0 && worker.is_fresh(), death, fingerprint);
            } else if at == 0 {
                self.put_back(job);
            } else {
                self.take_back(id, [job]);
            }
        }
        begun > 0
    }

    /// Returns a number that grows by one each time the breaker opens or closes. It is odd while
    /// the breaker is open.
    #[must_use]
    pub fn breaker_turn(&self) -> u64 {
        2 * self.counters.breaker_opened - u64::from(self.restarts.is_open())
    }

    fn count_death(&mut self, standing: Standing, death: Death) {
        let was_open = self.restarts.is_open();
        if let Some(until) = self.restarts.died(self.now, standing, death) {
            self.timers.arm(until, Due::Backoff);
        }
        if self.restarts.is_open() && !was_open {
            self.counters.breaker_opened += 1;
            // A worker on trial from an earlier opening does not count for this one.
            self.on_trial = None;
        }
    }

    /// Handles a worker that was stopped from outside. If it has begun a job, it stays until that
    /// job's deadline, because a debugger may have stopped it.
    pub(super) fn stalled(&mut self, id: WorkerId, has_begun: bool) {
        match self.fleet.phase(id) {
            Some(Phase::Idle) => self.kill(id, Cause::Stopped),
            Some(Phase::Busy(_) | Phase::Stopping { .. }) if !has_begun => self.kill(id, Cause::Stopped),
            Some(_) => {}
            None => self.counters.stale_events += 1,
        }
    }

    pub(super) fn violated(&mut self, id: WorkerId) {
        let Some(phase) = self.fleet.phase(id) else {
            self.counters.stale_events += 1;
            return;
        };
        if let Some(job) = phase.job().filter(|&job| self.is_running_on(job, id)) {
            self.resolve(job, Verdict::Protocol);
        }
        self.kill(id, Cause::Protocol);
    }

    /// Marks a worker as about to die, so that it gets no further job. A busy worker keeps its phase,
    /// because it may already have answered.
    pub(super) fn hung_up(&mut self, id: WorkerId) {
        let Some(worker) = self.fleet.get_mut(id) else { return };
        worker.has_hung_up = true;
        if worker.phase() == Phase::Idle {
            self.fleet.enter(id, Phase::Killed { job: None, cause: None });
        }
    }

    /// Asks a worker to give up a job that is already resolved. The worker lives if it does so
    /// within the grace. A worker that was killed gets no further orders.
    pub(super) fn abandon(&mut self, id: WorkerId, job: JobId, cause: Cause) {
        match self.fleet.phase(id) {
            Some(Phase::Busy(it)) if it == job => {
                self.fleet.enter(id, Phase::Stopping { job, cause });
                self.grant_grace(id);
                self.act(Action::Cancel { worker: id, job });
            }
            // Its grace begins when its turn comes.
            Some(Phase::Busy(_) | Phase::Stopping { .. }) => {
                if let Some(worker) = self.fleet.get_mut(id) {
                    worker.ahead.give_up(job, cause);
                }
                self.act(Action::Cancel { worker: id, job });
            }
            _ => {}
        }
    }

    pub(super) fn grant_grace(&mut self, id: WorkerId) {
        self.set_worker_timer(id, Some(self.config.grace));
    }

    /// Takes a worker without a job out of service, so that its place is free at once.
    ///
    /// Retiring workers must not accumulate if they cannot exit fast enough. Beyond `max_workers`
    /// of them, the pool kills the worker and replaces it only after its death.
    pub(super) fn retire(&mut self, id: WorkerId, cause: Cause) {
        // It may have retired by order as it became idle.
        if self.fleet.phase(id) != Some(Phase::Idle) {
            return;
        }
        if !self.may_retire() {
            return self.kill(id, cause);
        }
        self.fleet.enter(id, Phase::Retiring { killed: false, cause });
        self.set_worker_timer(id, Some(self.config.stop_timeout));
        self.act(Action::Retire { worker: id });
    }

    pub(super) fn may_retire(&self) -> bool {
        self.fleet.retiring() < self.config.max_workers
    }

    pub(super) fn worker_is_due(&mut self, id: WorkerId) {
        if let Some(Phase::Stopping { cause, .. } | Phase::Retiring { cause, .. }) = self.fleet.phase(id) {
            self.kill(id, cause);
        }
    }

    /// Orders a SIGKILL unless it was ordered before. Does not resolve a job that the worker holds.
    /// The job ends with the death, so that an answer already written still counts.
    pub(super) fn kill(&mut self, id: WorkerId, cause: Cause) {
        let (job, killed) = match self.fleet.phase(id) {
            Some(Phase::Starting | Phase::Idle) => (None, Phase::Killed { job: None, cause: Some(cause) }),
            Some(Phase::Busy(job) | Phase::Stopping { job, .. }) => {
                (Some(job), Phase::Killed { job: Some(job), cause: Some(cause) })
            }
            // The cause stays the one for which it retires.
            Some(Phase::Retiring { killed: false, cause }) => (None, Phase::Retiring { killed: true, cause }),
            Some(Phase::Retiring { killed: true, .. } | Phase::Killed { .. }) | None => return,
        };
        self.fleet.enter(id, killed);
        self.set_worker_timer(id, None);
        self.counters.kills += 1;
        self.act(Action::Kill { worker: id, job });
    }

    /// Replaces the worker's timer by one that rings after `delay`, or removes it.
    pub(super) fn set_worker_timer(&mut self, id: WorkerId, delay: Option<Duration>) {
        let Some(worker) = self.fleet.get_mut(id) else {
            return;
        };
        if let Some(timer) = worker.timer.take() {
            self.timers.disarm(timer);
        }
        worker.timer = delay.map(|delay| self.timers.arm(self.now + delay, Due::Worker(id)));
    }
}
