//! The end of a pool: drain, stop, and the moment when nothing is left. A pool never opens again.

use std::time::Duration;

use super::orders::Mode;
use super::{Due, Scheduler};
use crate::phase::Phase;
use crate::{Action, Cause, Event, Stage, Verdict};

/// The phase of a pool's life. It only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    /// Accepts jobs.
    Open,
    /// Finishes the jobs that it holds.
    Draining,
    /// Has ended all jobs and waits for its workers to die.
    Stopping,
    /// Has reported that nothing is left.
    Drained,
}

impl Scheduler {
    pub(super) fn drain(&mut self, limit: Option<Duration>) {
        self.life = self.life.max(Life::Draining);
        self.mode = Mode::Running;
        self.give_up_reloads();
        if self.life == Life::Draining
            && let Some(end) = limit.map(|limit| self.now + limit)
            && self.drain_limit.is_none_or(|timer| end < timer.at())
        {
            if let Some(later) = self.drain_limit.take() {
                self.timers.disarm(later);
            }
            self.drain_limit = Some(self.timers.arm(end, Due::DrainLimit));
        }
    }

    /// Ends every job, waiting ones first, and kills every worker.
    pub(super) fn stop(&mut self) {
        if self.life >= Life::Stopping {
            return;
        }
        self.life = Life::Stopping;
        self.mode = Mode::Running;
        self.give_up_reloads();
        while let Some(job) = self.queue.front().or_else(|| self.aside.front()) {
            self.resolve(job, Verdict::ShutDown { stage: self.stage(job) });
        }
        for worker in self.fleet.ids() {
            let held = self.fleet.phase(worker).and_then(Phase::job);
            if let Some(job) = held.filter(|&job| self.is_running_on(job, worker)) {
                self.resolve(job, Verdict::ShutDown { stage: Stage::Running });
            }
            let ahead = self.fleet.get_mut(worker).map(|worker| worker.ahead.split_off(0));
            for job in ahead.into_iter().flatten() {
                self.resolve(job, Verdict::ShutDown { stage: Stage::Running });
            }
            self.kill(worker, Cause::ShutDown);
        }
    }

    /// Discards all state and accepts no further jobs, as after a complete stop. Call it when a
    /// panic has left the state half changed.
    pub fn break_off(&mut self) {
        let now = self.now;
        if let Ok(fresh) = Self::new(self.config, 0) {
            *self = fresh;
            self.handle(now, Event::Stop);
            while self.poll_action().is_some() {}
        }
    }

    /// Retires workers that no accepted job needs. Reports when the last worker is gone.
    pub(super) fn wind_down(&mut self) {
        // Jobs that wait while a worker is idle wait for identification, and may need one worker
        // each.
        while self.fleet.idle() > self.queued()
            && let Some(worker) = self.fleet.warmest()
        {
            self.retire(worker, Cause::ShutDown);
        }
        self.kill_surplus_starters();
        if self.life < Life::Drained && self.jobs.is_empty() && self.fleet.is_empty() {
            self.life = Life::Drained;
            self.timers.clear();
            self.restarts.resume();
            self.act(Action::Drained);
        }
    }

    /// Kills surplus workers that are still starting. They have no work to lose, and SIGKILL is the
    /// fastest way.
    fn kill_surplus_starters(&mut self) {
        let surplus = self.fleet.starting().saturating_sub(self.queued());
        if surplus == 0 {
            return;
        }
        let mut starters = self.fleet.ids();
        starters.retain(|&id| self.fleet.phase(id) == Some(Phase::Starting));
        for &youngest in starters.iter().rev().take(surplus) {
            self.kill(youngest, Cause::ShutDown);
        }
    }
}
