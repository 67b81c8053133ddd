//! The end of a pool: drain, stop, and the moment at which nothing is left. A pool never opens
//! again.

use std::time::Duration;

use super::{Due, Scheduler};
use crate::phase::Phase;
use crate::{Action, Cause, Event, Stage, Verdict};

/// How far a pool's life has come. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    /// Takes jobs.
    Open,
    /// Finishes the jobs that it holds.
    Draining,
    /// Has ended everything and waits for its workers' deaths.
    Stopping,
    /// Has said so: nothing is left.
    Drained,
}

impl Scheduler {
    pub(super) fn drain(&mut self, limit: Option<Duration>) {
        self.life = self.life.max(Life::Draining);
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

    /// Forgets everything and takes no further jobs, as after the end of a stop. Call it when a
    /// panic has left this half changed.
    pub fn break_off(&mut self) {
        let now = self.now;
        if let Ok(fresh) = Self::new(self.config, 0) {
            *self = fresh;
            self.handle(now, Event::Stop);
            while self.poll_action().is_some() {}
        }
    }

    /// Retires workers that no accepted job needs, and says so when the last one is gone.
    pub(super) fn wind_down(&mut self) {
        // Those that wait beside an idle worker do so to be identified, and may need one each.
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

    /// Kills surplus workers that are still on their way up: they have nothing to lose, and SIGKILL
    /// is the quickest.
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
