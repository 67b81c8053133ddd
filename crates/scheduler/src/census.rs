//! Numbers of workers by what they do, and the stack of idle ones.

use crate::WorkerId;
use crate::fleet::Tired;
use crate::phase::Phase;

/// Counts of workers, kept as they move from phase to phase.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// The last to become idle is on top: its caches are the warmest.
    pub(crate) idle: Vec<WorkerId>,
    pub(crate) starting: usize,
    pub(crate) retiring: usize,
    /// Idle, busy, or busy with a job that it was asked to give up.
    pub(crate) serving: usize,
    /// In service, and will be replaced.
    pub(crate) tired: usize,
    /// Those of the tired ones that are so for their generation.
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
            Phase::Busy(_) | Phase::Stopping { .. } => self.serving += 1,
            Phase::Retiring { .. } => self.retiring += 1,
            Phase::Killed { .. } => {}
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
            Phase::Busy(_) | Phase::Stopping { .. } => self.serving -= 1,
            Phase::Retiring { .. } => self.retiring -= 1,
            Phase::Killed { .. } => {}
        }
    }

    /// Counts a worker in service that will be replaced for another reason than `before`.
    pub(crate) fn count_tired(&mut self, before: Option<Tired>, why: Tired) {
        self.tired += usize::from(before.is_none());
        self.outdated += usize::from(why == Tired::Outdated);
    }

    /// Counts a worker that leaves the service, which nobody needs to replace any more.
    pub(crate) fn count_rested(&mut self, tired: Option<Tired>) {
        self.tired -= usize::from(tired.is_some());
        self.outdated -= usize::from(tired == Some(Tired::Outdated));
    }

    /// Removes an idle worker. The top of the stack, which a job takes, is found at once; a death
    /// further down may search.
    fn remove_idle(&mut self, id: WorkerId) {
        if self.idle.last() == Some(&id) {
            self.idle.pop();
        } else if let Some(index) = self.idle.iter().rposition(|&idle| idle == id) {
            self.idle.remove(index);
        }
    }
}
