//! The end of a pool whose state a panic has left half changed, so that none of it can be relied on.

use super::State;
use super::open_job::OpenJob;
use super::slot::WorkerSlot;
use std::any::Any;

/// The workers and jobs of such a pool, to be ended once its lock is released.
#[must_use = "the workers live until this is ended"]
pub(crate) struct BrokenOff {
    jobs: Vec<OpenJob>,
    workers: Vec<WorkerSlot>,
    callers: Box<dyn Any + Send>,
}

impl BrokenOff {
    /// Kills every worker, and ends every job as shut down, since its caller hears nothing else. The lock must not be
    /// held.
    pub(crate) fn end(self) {
        let Self { jobs, workers, callers } = self;
        for worker in &workers {
            worker.kill_switch.kill();
        }
        for events in jobs.iter().filter_map(|entry| entry.job.events.as_ref()) {
            events.end();
        }
        drop((jobs, workers, callers));
    }
}

impl State {
    /// Closes the pool: it has no job and no worker, and accepts no job.
    pub(crate) fn break_off(&mut self) -> BrokenOff {
        self.scheduler.break_off();
        BrokenOff {
            jobs: self.entries.drain().map(|(_, entry)| entry).collect(),
            workers: std::mem::take(&mut self.slots).into_values().collect(),
            callers: Box::new(self.makes.forget_callers()),
        }
    }
}
