//! Counts of workers by phase, and the stack of idle workers.

use crate::WorkerId;
use crate::fleet::Tired;
use crate::phase::Phase;

/// Counts of workers. The fleet updates them when a worker changes its phase.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// The worker that became idle last is on top, because its caches are the warmest.
    pub(crate) idle: Vec<WorkerId>,
    pub(crate) starting: usize,
    pub(crate) retiring: usize,
    /// Workers that are idle, busy, or asked to give up a job.
    pub(crate) serving: usize,
    /// Serving workers that were asked to give up a job.
    pub(crate) stopping: usize,
    /// Workers that were killed and whose death has not arrived.
    pub(crate) killed: usize,
    /// Workers in service that the pool will replace.
    pub(crate) tired: usize,
    /// Tired workers whose generation is the reason.
    pub(crate) outdated: usize,
}

impl Census {
    /// Counts a worker that enters a phase.
    pub(crate) fn count_in(&mut self, id: WorkerId, phase: Phase) {
        match phase {
            Phase::Starting => self.starting += 1,
            Phase::Idle => {
                self.idle.push(id);
                self.serving += 1;
            }
            Phase::Busy(_) => self.serving += 1,
            Phase::Stopping { .. } => {
                self.serving += 1;
                self.stopping += 1;
            }
            Phase::Retiring { .. } => self.retiring += 1,
            Phase::Killed { .. } => self.killed += 1,
        }
    }

    /// Counts a worker that leaves a phase.
    pub(crate) fn count_out(&mut self, id: WorkerId, phase: Phase) {
        match phase {
            Phase::Starting => self.starting -= 1,
            Phase::Idle => {
                self.remove_idle(id);
                self.serving -= 1;
            }
            Phase::Busy(_) => self.serving -= 1,
            Phase::Stopping { .. } => {
                self.serving -= 1;
                self.stopping -= 1;
            }
            Phase::Retiring { .. } => self.retiring -= 1,
            Phase::Killed { .. } => self.killed -= 1,
        }
    }

    /// Counts a worker in service that the pool will replace because of `why`. `before` is the
    /// earlier reason.
    pub(crate) fn count_tired(&mut self, before: Option<Tired>, why: Tired) {
        self.tired += usize::from(before.is_none());
        self.outdated += usize::from(why == Tired::Outdated);
    }

    /// Counts a worker that leaves service. It no longer needs a replacement.
    pub(crate) fn count_rested(&mut self, tired: Option<Tired>) {
        self.tired -= usize::from(tired.is_some());
        self.outdated -= usize::from(tired == Some(Tired::Outdated));
    }

    /// Removes an idle worker. A job takes the worker at the top of the stack, which is found at
    /// once. Other workers need a search.
    fn remove_idle(&mut self, id: WorkerId) {
        if self.idle.last() == Some(&id) {
            self.idle.pop();
        } else if let Some(index) = self.idle.iter().rposition(|&idle| idle == id) {
            self.idle.remove(index);
        }
    }
}
