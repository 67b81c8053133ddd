//! The orders of operators: to pause, close and resume the pool, to change its settings, and to retire or kill a
//! worker. Does not: drain.

use super::Scheduler;
use super::shutdown::Life;
use crate::fleet::Tired;
use crate::phase::Phase;
use crate::{Cause, Settings, WorkerId};

/// How the pool treats jobs until further notice. A drain or a stop ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Running,
    /// Accepts jobs and assigns none.
    Paused,
    /// Assigns jobs and accepts none.
    Closed,
}

impl Scheduler {
    pub(super) fn enter_mode(&mut self, mode: Mode) {
        if self.life == Life::Open {
            self.mode = mode;
        }
    }

    pub(super) fn reconfigure(&mut self, settings: Settings) {
        self.config.apply(settings);
        // It was set for the old timeout. Settling sets it for the new one.
        if let Some(timer) = self.idle_timer.take() {
            self.timers.disarm(timer);
        }
    }

    pub(super) fn operator_retires(&mut self, id: WorkerId) {
        match self.fleet.phase(id) {
            Some(Phase::Idle) => self.retire(id, Cause::Ordered),
            // It has no job that it could end before.
            Some(Phase::Starting) => self.kill(id, Cause::Ordered),
            Some(Phase::Busy(_) | Phase::Stopping { .. }) => {
                if let Some(worker) = self.fleet.get_mut(id) {
                    worker.is_dismissed = true;
                }
                // So that its replacement starts, and it is sent nothing ahead.
                self.fleet.tire(id, Tired::Worn);
            }
            Some(Phase::Killed { .. } | Phase::Retiring { .. }) => {}
            None => self.counters.stale_events += 1,
        }
    }

    pub(super) fn operator_kills(&mut self, id: WorkerId) {
        if self.fleet.phase(id).is_none() {
            self.counters.stale_events += 1;
        }
        self.kill(id, Cause::Ordered);
    }
}
