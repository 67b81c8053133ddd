//! The number of workers: starts missing ones, retires surplus ones. Does not: know why a worker is
//! missing.

use super::shutdown::Life;
use super::{Due, Scheduler};
use crate::{Action, Cause, Generation, WorkerId};

impl Scheduler {
    pub(super) fn start(&mut self) {
        self.awake |= !self.config.lazy;
    }

    /// Returns the minimum and the maximum number of workers.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.config.min_workers, self.config.max_workers)
    }

    /// Returns the number of workers that the pool keeps without jobs. It is 0 for a lazy pool that
    /// has had no job.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.least().max(self.spares().min(self.config.max_workers))
    }

    pub(super) fn resize(&mut self, min: usize, max: usize) {
        let max = max.max(1);
        (self.config.min_workers, self.config.max_workers) = (min.min(max), max);
        self.restarts.resize(max);
    }

    /// Retires idle workers beyond the maximum. Workers that are busy or starting retire when they
    /// become idle.
    pub(super) fn shrink(&mut self) {
        while self.regulars() > self.config.max_workers
            && self.may_retire()
            && let Some(worker) = self.fleet.coldest_but(self.replacement)
        {
            self.retire(worker, Cause::Idle);
        }
    }

    /// Starts workers until there are enough, or until the maximum is reached. The number of
    /// refused jobs, `turned_away`, counts as waiting.
    pub(super) fn recruit(&mut self, turned_away: usize) {
        while self.may_start() && self.is_short(turned_away) {
            self.start_worker(self.rollout.current());
        }
    }

    pub(super) fn start_worker(&mut self, generation: Generation) -> WorkerId {
        let worker = self.fleet.add(generation);
        self.counters.starts += 1;
        if self.fleet.strength() > self.peak_strength {
            self.peak_strength = self.fleet.strength();
        } else {
            self.counters.restarts += 1;
        }
        // The first worker of a new generation has its own trial.
        if self.restarts.is_open() && generation == self.rollout.current() {
            self.on_trial = Some(worker);
        }
        self.act(Action::Start { worker, generation });
        worker
    }

    fn may_start(&self) -> bool {
        self.regulars() < self.config.max_workers && self.may_try()
    }

    /// Returns whether another worker may be started, given the fate of earlier ones. The pool
    /// starts none during a backoff, and one at a time while the breaker is open.
    pub(super) fn may_try(&self) -> bool {
        self.restarts.until().is_none() && !(self.restarts.is_open() && self.is_trying())
    }

    /// Returns whether a worker is starting, or is ready and on trial.
    fn is_trying(&self) -> bool {
        self.fleet.starting() > 0 || self.on_trial.is_some_and(|worker| self.fleet.phase(worker).is_some())
    }

    /// Returns whether workers are missing. Each idle or starting worker serves one waiting job.
    /// The pool keeps the spares in addition.
    fn is_short(&self, turned_away: usize) -> bool {
        let waiting = if self.is_paused() { 0 } else { self.queued().saturating_add(turned_away) };
        let at_hand = self.fleet.idle() + self.fleet.starting();
        self.regulars() < self.least() || at_hand < waiting.saturating_add(self.spares())
    }

    fn spares(&self) -> usize {
        if self.keeps_workers() { self.config.spares } else { 0 }
    }

    /// Returns whether the pool keeps workers without jobs. A drain keeps none, so it replaces only
    /// workers that jobs wait for. After a stop no job waits, so the pool replaces none.
    fn keeps_workers(&self) -> bool {
        self.awake && self.life == Life::Open
    }

    /// Returns the minimum number of workers that the pool keeps without jobs.
    pub(super) fn least(&self) -> usize {
        if self.keeps_workers() { self.config.min_workers } else { 0 }
    }

    /// Sets the timer for the worker that has been idle for longest. That worker retires when the
    /// timer rings unless it gets a job.
    pub(super) fn watch_idleness(&mut self) {
        if let Some(timeout) = self.config.idle_timeout
            && self.idle_timer.is_none()
            && self.has_surplus()
            && let Some((_, since)) = self.fleet.coldest()
        {
            self.idle_timer = Some(self.timers.arm(since + timeout, Due::Idle));
        }
    }

    /// Retires workers that have reached the idle timeout.
    pub(super) fn idle_is_over(&mut self) {
        self.idle_timer = None;
        let Some(timeout) = self.config.idle_timeout else { return };
        while self.has_surplus() {
            let coldest = self.fleet.coldest().filter(|&(_, since)| since + timeout <= self.now);
            let Some((coldest, _)) = coldest else { return };
            self.retire(coldest, Cause::Idle);
        }
    }

    /// Returns whether the pool has more idle workers than it must keep. It retires none while the
    /// breaker is open: each may be the last working one, or the one on trial.
    fn has_surplus(&self) -> bool {
        let is_quiet = self.life == Life::Open && !self.restarts.is_open();
        is_quiet && self.fleet.idle() > self.config.spares && self.regulars() > self.least()
    }
}
