//! How many workers there should be, and starting those that are missing. Refuses to know why one is missing.

use super::Scheduler;
use super::shutdown::Life;
use crate::Action;

impl Scheduler {
    pub(super) fn start(&mut self) {
        self.awake |= !self.config.lazy;
    }

    /// Starts workers until there are enough, or until no more may be started. `turned_away` jobs count like waiting
    /// ones, although they are gone.
    pub(super) fn recruit(&mut self, turned_away: usize) {
        while self.may_start() && self.is_short(turned_away) {
            let worker = self.fleet.add();
            self.counters.starts += 1;
            if self.fleet.strength() > self.peak_strength {
                self.peak_strength = self.fleet.strength();
            } else {
                self.counters.restarts += 1;
            }
            self.act(Action::Start { worker });
        }
    }

    fn may_start(&self) -> bool {
        self.restarts.until().is_none() && self.fleet.strength() < self.config.max_workers
    }

    /// Workers on their way up are each good for one waiting job; one more is needed when jobs outnumber them and
    /// nobody is idle.
    fn is_short(&self, turned_away: usize) -> bool {
        let waiting = self.queue.len().saturating_add(turned_away);
        self.fleet.strength() < self.least()
            || (waiting > self.fleet.starting() && self.fleet.warmest().is_none())
    }

    /// Workers kept whether or not there are jobs. A drain keeps none, so it replaces only those that jobs wait for;
    /// after a stop no job waits, so nothing is replaced.
    fn least(&self) -> usize {
        if self.awake && self.life == Life::Open { self.config.min_workers } else { 0 }
    }
}
