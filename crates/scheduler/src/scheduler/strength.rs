//! The number of workers: starts missing ones, retires surplus ones. Does not: know why one is
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

    /// Returns how many workers are kept though there is nothing to do: none in a lazy pool that was given no job.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.least().max(self.spares().min(self.config.max_workers))
    }

    pub(super) fn resize(&mut self, min: usize, max: usize) {
        let max = max.max(1);
        (self.config.min_workers, self.config.max_workers) = (min.min(max), max);
        self.restarts.resize(max);
    }

    /// Retires idle workers beyond the maximum. Workers that are busy or on their way up retire
    /// when they are idle.
    pub(super) fn shrink(&mut self) {
        while self.regulars() > self.config.max_workers
            && self.may_retire()
            && let Some(worker) = self.fleet.coldest_but(self.replacement)
        {
            self.retire(worker, Cause::Idle);
        }
    }

    /// Starts workers until there are enough, or until the maximum is reached. `turned_away` jobs
    /// count like waiting ones, although they are gone.
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
        // The first worker of a new generation is tried on its own account.
        if self.restarts.is_open() && generation == self.rollout.current() {
            self.on_trial = Some(worker);
        }
        self.act(Action::Start { worker, generation });
        worker
    }

    fn may_start(&self) -> bool {
        self.regulars() < self.config.max_workers && self.may_try()
    }

    /// Returns whether another worker may be started, as far as earlier ones show. None is started
    /// during a backoff, and one at a time while the breaker is open.
    pub(super) fn may_try(&self) -> bool {
        self.restarts.until().is_none() && !(self.restarts.is_open() && self.is_trying())
    }

    /// Returns whether a worker is on its way up or, ready, has yet to prove itself.
    fn is_trying(&self) -> bool {
        self.fleet.starting() > 0 || self.on_trial.is_some_and(|worker| self.fleet.phase(worker).is_some())
    }

    /// Returns whether workers are missing. Each worker that is idle or on its way up serves one
    /// waiting job, and beyond those the spares are kept.
    fn is_short(&self, turned_away: usize) -> bool {
        let waiting = self.queued().saturating_add(turned_away);
        let at_hand = self.fleet.idle() + self.fleet.starting();
        self.regulars() < self.least() || at_hand < waiting.saturating_add(self.spares())
    }

    fn spares(&self) -> usize {
        if self.keeps_workers() { self.config.spares } else { 0 }
    }

    /// Returns whether workers are kept though there is nothing to do. A drain keeps none, so it
    /// replaces only those that jobs wait for; after a stop no job waits, so nothing is replaced.
    fn keeps_workers(&self) -> bool {
        self.awake && self.life == Life::Open
    }

    /// Returns the minimum number of workers, which are kept even without jobs.
    pub(super) fn least(&self) -> usize {
        if self.keeps_workers() { self.config.min_workers } else { 0 }
    }

    /// Sets the timer for the worker that has been idle for longest, which retires then if nothing
    /// happens.
    pub(super) fn watch_idleness(&mut self) {
        if let Some(timeout) = self.config.idle_timeout
            && self.idle_timer.is_none()
            && self.has_surplus()
            && let Some((_, since)) = self.fleet.coldest()
        {
            self.idle_timer = Some(self.timers.arm(since + timeout, Due::Idle));
        }
    }

    /// Retires workers that no job has needed for long.
    pub(super) fn idle_is_over(&mut self) {
        self.idle_timer = None;
        let Some(timeout) = self.config.idle_timeout else { return };
        while self.has_surplus() {
            let coldest = self.fleet.coldest().filter(|&(_, since)| since + timeout <= self.now);
            let Some((coldest, _)) = coldest else { return };
            self.retire(coldest, Cause::Idle);
        }
    }

    /// Returns whether an idle worker is more than has to be kept. While the breaker is open each
    /// one is precious: it may be the last that works, or the one on trial.
    fn has_surplus(&self) -> bool {
        let is_quiet = self.life == Life::Open && !self.restarts.is_open();
        is_quiet && self.fleet.idle() > self.config.spares && self.regulars() > self.least()
    }
}
