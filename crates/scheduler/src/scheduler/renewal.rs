//! Replacement of working workers: worn ones, and those of an older generation. The pool starts the
//! replacement first, and replaces one worker at a time. Does not: decide why a worker is replaced,
//! except at its maximum of jobs or lifetime.

use std::time::Duration;

use super::shutdown::Life;
use super::{Due, Scheduler};
use crate::fleet::Tired;
use crate::phase::Phase;
use crate::{Cause, WorkerId};

impl Scheduler {
    /// Sets the worker's limits for jobs and lifetime, drawn at random for each worker.
    pub(super) fn allot(&mut self, id: WorkerId) {
        let jobs = self.config.recycling.jobs.map(|jobs| self.jittered(jobs.get()));
        let lifetime = self.config.recycling.lifetime.map(|lifetime| {
            let nanos = u64::try_from(lifetime.as_nanos()).unwrap_or(u64::MAX);
            self.now + Duration::from_nanos(self.jittered(nanos))
        });
        let timer = lifetime.map(|end| self.timers.arm(end, Due::Lifetime(id)));
        if let Some(worker) = self.fleet.get_mut(id) {
            worker.jobs_left = jobs;
            worker.lifetime = timer;
        }
    }

    /// Returns `bound`, reduced at random by up to a tenth.
    const fn jittered(&mut self, bound: u64) -> u64 {
        bound - self.random.next() % (bound / 10 + 1)
    }

    pub(super) fn outgrown(&mut self, id: WorkerId) {
        self.tire(id);
    }

    pub(super) fn lifetime_is_over(&mut self, id: WorkerId) {
        self.tire(id);
    }

    fn tire(&mut self, id: WorkerId) {
        match self.fleet.get_mut(id) {
            Some(worker) => {
                if let Some(timer) = worker.lifetime.take() {
                    self.timers.disarm(timer);
                }
                self.fleet.tire(id, Tired::Worn);
            }
            None => self.counters.stale_events += 1,
        }
    }

    /// Retires a tired worker whose replacement is ready, as soon as it is between two jobs.
    pub(super) fn relieve(&mut self) {
        let Some(replacement) = self.replacement else { return };
        let is_gone = matches!(self.fleet.phase(replacement), None | Some(Phase::Retiring { .. }));
        // If no tired worker is left, they died by themselves. The replacement is then an ordinary
        // worker.
        if is_gone || (self.fleet.tired() == 0 && !self.rollout.is_canary(replacement)) {
            self.replacement = None;
        } else if self.fleet.is_serving(replacement) {
            if let Some((tired, why)) = self.fleet.idle_and_tired() {
                self.swap_for(tired, why.cause());
            } else if self.rollout.waits_for_a_place() {
                self.make_place();
            }
        }
    }

    /// Makes room for a canary, which does not wait for the tired workers. They may have long jobs,
    /// and a ready canary replaces all of them anyway. So the replacement becomes an ordinary
    /// worker, if necessary in the place of an idle one.
    fn make_place(&mut self) {
        if self.regulars() < self.config.max_workers {
            self.replacement = None;
        } else if let Some((idle, _)) = self.fleet.coldest() {
            self.swap_for(idle, Cause::Reloaded);
        }
    }

    fn swap_for(&mut self, goer: WorkerId, cause: Cause) {
        if self.may_retire() {
            self.replacement = None;
            self.retire(goer, cause);
        }
    }

    /// Starts a replacement for one of the tired workers.
    pub(super) fn renew(&mut self) {
        // In a pool above its maximum, the surplus worker that goes may be a tired one.
        let has_place = self.regulars() <= self.config.max_workers;
        let is_wanted = self.replacement.is_none() && self.fleet.tired() > 0 && has_place;
        if self.life == Life::Open && is_wanted && self.may_try() {
            let worker = self.start_worker(self.rollout.current());
            self.replacement = Some(worker);
        }
    }

    /// Returns the number of workers in service, not counting a replacement whose predecessor is
    /// still there.
    pub(super) fn regulars(&self) -> usize {
        self.fleet.strength() - usize::from(self.replacement.is_some())
    }
}
