//! The life of a worker: ready, busy, asked to stop, killed, buried. Refuses to know how many workers there should be.

use std::time::Duration;

use super::{Due, Scheduler};
use crate::fleet::{Cause, Phase};
use crate::restarts::Standing;
use crate::{Action, Health, JobId, Verdict, WorkerId};

impl Scheduler {
    pub(super) fn ready(&mut self, id: WorkerId) {
        match self.fleet.get_mut(id) {
            Some(worker) if worker.phase() == Phase::Starting => {
                worker.standing = Standing::Untried;
                self.fleet.enter(id, Phase::Idle);
            }
            _ => self.counters.stale_events += 1,
        }
    }

    pub(super) fn occupy(&mut self, id: WorkerId, job: JobId) {
        self.fleet.enter(id, Phase::Busy(job));
    }

    pub(super) fn done(&mut self, id: WorkerId, job: JobId, health: Health) {
        let answered = self.fleet.get_mut(id).filter(|worker| worker.phase().job() == Some(job));
        let Some(worker) = answered else {
            self.counters.late_results += 1;
            return;
        };
        worker.standing = Standing::Proven;
        let phase = worker.phase();
        self.restarts.job_finished();
        if self.is_running_on(job, id) {
            self.resolve(job, Verdict::Finished);
        } else {
            self.counters.late_results += 1;
        }
        if let Phase::Killed { cause, .. } = phase {
            return self.fleet.enter(id, Phase::Killed { job: None, cause });
        }
        self.set_worker_timer(id, None);
        self.fleet.enter(id, Phase::Idle);
        if health == Health::Suspect {
            self.retire(id);
        }
    }

    pub(super) fn died(&mut self, id: WorkerId, handed_over: bool) {
        let Some(worker) = self.fleet.remove(id) else {
            self.counters.stale_events += 1;
            return;
        };
        self.counters.deaths += 1;
        if let Some(timer) = worker.timer {
            self.timers.disarm(timer);
        }
        if let Some(job) = worker.phase().job().filter(|&job| self.is_running_on(job, id)) {
            if handed_over {
                self.crash(job);
            } else {
                self.put_back(job);
            }
        }
        if !worker.phase().is_asked_to_go()
            && let Some(until) = self.restarts.died(self.now, worker.standing)
        {
            self.timers.arm(until, Due::Backoff);
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
        self.kill(id, Cause::Violation);
    }

    /// As good as killed, though nobody asked for it: what matters is that it is given nothing more.
    pub(super) fn hung_up(&mut self, id: WorkerId) {
        if self.fleet.phase(id) == Some(Phase::Idle) {
            self.fleet.enter(id, Phase::Killed { job: None, cause: Cause::Violation });
        }
    }

    pub(super) fn operator_kills(&mut self, id: WorkerId) {
        if self.fleet.phase(id).is_none() {
            self.counters.stale_events += 1;
        }
        self.kill(id, Cause::Asked);
    }

    /// Its job was resolved without it: asks it to give up, and lets it live if it does so within the grace. One
    /// that is being killed already has nothing more to hear.
    pub(super) fn abandon(&mut self, id: WorkerId) {
        if let Some(Phase::Busy(job)) = self.fleet.phase(id) {
            self.fleet.enter(id, Phase::Stopping(job));
            self.set_worker_timer(id, Some(self.config.grace));
            self.act(Action::Cancel { worker: id, job });
        }
    }

    /// Takes a worker without a job out of service, so that its place is free at once.
    ///
    /// While workers cannot exit as fast as they are retired they must not pile up: past `max_workers` of them, one
    /// more is killed in its place and replaced only when it is dead.
    pub(super) fn retire(&mut self, id: WorkerId) {
        if self.fleet.retiring() >= self.config.max_workers {
            return self.kill(id, Cause::Asked);
        }
        self.fleet.enter(id, Phase::Retiring { killed: false });
        self.set_worker_timer(id, Some(self.config.stop_timeout));
        self.act(Action::Retire { worker: id });
    }

    pub(super) fn worker_is_due(&mut self, id: WorkerId) {
        self.kill(id, Cause::Asked);
    }

    /// Asks for SIGKILL, unless that was asked for before. Resolves nothing: a job that the worker holds unresolved
    /// ends with the death, so that an answer which it has already written still counts.
    pub(super) fn kill(&mut self, id: WorkerId, cause: Cause) {
        let (job, killed) = match self.fleet.phase(id) {
            Some(Phase::Starting | Phase::Idle) => (None, Phase::Killed { job: None, cause }),
            Some(Phase::Busy(job) | Phase::Stopping(job)) => {
                (Some(job), Phase::Killed { job: Some(job), cause })
            }
            Some(Phase::Retiring { killed: false }) => (None, Phase::Retiring { killed: true }),
            Some(Phase::Retiring { killed: true } | Phase::Killed { .. }) | None => return,
        };
        self.fleet.enter(id, killed);
        self.set_worker_timer(id, None);
        self.counters.kills += 1;
        self.act(Action::Kill { worker: id, job });
    }

    /// Replaces the worker's timer by one that rings after `delay`, or by none.
    fn set_worker_timer(&mut self, id: WorkerId, delay: Option<Duration>) {
        let Some(worker) = self.fleet.get_mut(id) else {
            return;
        };
        if let Some(timer) = worker.timer.take() {
            self.timers.disarm(timer);
        }
        worker.timer = delay.map(|delay| self.timers.arm(self.now + delay, Due::Worker(id)));
    }
}
