//! Asks slow workers back for the jobs that they have not begun. To learn how far workers have come, it reads
//! their pages, and so runs outside of the lock. Does not: know who gets those jobs.

use super::effects::Effects;
use super::slot::WorkerSlot;
use crate::pool::state::State;
use procpool_process::{KillSwitch, Outboxes};
use procpool_protocol::frame::{Frame, Kind};
use procpool_scheduler::{Event, Time, WorkerId, WorkerState};
use std::sync::Arc;

/// A question to one worker.
#[derive(Debug)]
pub(crate) struct Recall {
    pub(crate) worker: WorkerId,
    lines: Arc<Outboxes>,
    /// The first job that it has not answered.
    first: u64,
    /// The last job that it was given.
    pub(crate) last: u64,
}

impl Recall {
    /// Returns the question about all jobs that this worker was given, or `None` if it does not serve.
    pub(crate) fn of(worker: WorkerId, slot: &WorkerSlot) -> Option<Self> {
        let lines = slot.lines.clone()?;
        let first = slot.held.front().map_or(0, |held| held.sequence);
        Some(Self { worker, lines, first, last: slot.last_sequence })
    }

    /// Asks. Returns the job that the worker began last: it will begin none of those that come after it.
    /// `None`: it has not begun the first, and keeps all.
    pub(crate) fn ask(&self) -> Option<u64> {
        self.lines.recall(self.first, self.last)
    }

    /// Asks a simulated page in the same way.
    #[cfg(test)]
    pub(crate) fn ask_of(&self, begun: u64, recalled: &mut u64) -> Option<u64> {
        if begun < self.first {
            return None;
        }
        *recalled = self.last;
        Some(begun)
    }
}

/// A worker that is idle as far as is known, or may be.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) worker: WorkerId,
    pub(crate) kill_switch: Arc<KillSwitch>,
    pub(crate) lines: Arc<Outboxes>,
    /// Number of the first job that it has not answered, or `None` if it has no job.
    pub(crate) first: Option<u64>,
}

impl State {
    /// Takes in which job a worker began last that was asked for its jobs.
    pub(crate) fn recalled(
        &mut self,
        now: Time,
        recall: &Recall,
        newest: Option<u64>,
        effects: &mut Effects,
    ) {
        let worker = recall.worker;
        let Some(newest) = newest else {
            return self.handle(now, Event::Unbegun { worker }, effects);
        };
        let Some(slot) = self.slots.get_mut(&worker) else { return };
        let held: Vec<_> = slot.held.iter().map(|held| held.job).collect();
        let keeps = slot.gives_back(newest, recall.last);
        let gone = held.into_iter().filter(|job| slot.sequence_of(*job).is_none()).collect::<Vec<_>>();
        self.handle(now, Event::Recalled { worker, keeps }, effects);
        self.tell_returned(worker, gone, effects);
        // Answers that wait for others are asked for, too: the job that it runs takes long.
        self.control(worker, effects, |_| Some(Frame::new(Kind::Recall, recall.last, "")));
    }

    /// Returns the workers that wait for a job, or have one and may not have begun it.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let waiting = self.scheduler.workers().filter_map(|(worker, state, _)| {
            let slot = self.slots.get(&worker)?;
            let first = match state {
                WorkerState::Idle => None,
                WorkerState::Busy => Some(slot.held.front()?.sequence),
                _ => return None,
            };
            let (kill_switch, lines) = (slot.kill_switch.clone(), slot.lines.clone()?);
            Some(Waiting { worker, kill_switch, lines, first })
        });
        waiting.collect()
    }
}
