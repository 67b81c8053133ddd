//! The stack of a worker that somebody asks for.

use super::{NAMING, Stacks, TAKING_ON_DEMAND};
use crate::pool::{Pool, RawPool};
use procpool_process::{KillSwitch, SnapshotError, Threads};
use procpool_protocol::Job;
use procpool_protocol::inspection::{InspectionError, StackOptions};
use procpool_protocol::stack::Stack;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl<J: Job> Pool<J> {
    /// Returns what the worker of this name does now, as [`workers`](Self::workers) lists them: its first thread,
    /// which runs the jobs, unless `options` want more. Stops the worker for a fraction of a millisecond, and starts no
    /// program for that. Needs a tokio runtime with time.
    ///
    /// # Errors
    /// When there is no such worker, it has ended, or the system forbids to trace it.
    pub async fn stack(&self, worker: &str, options: StackOptions) -> Result<Stack, InspectionError> {
        self.raw.stack(worker, options).await
    }
}

impl RawPool {
    /// Returns what the worker of this name does now; see [`Pool::stack`].
    ///
    /// # Errors
    /// As [`Pool::stack`].
    pub async fn stack(&self, worker: &str, options: StackOptions) -> Result<Stack, InspectionError> {
        let (kill_switch, stacks) = (self.switch_of(worker)?, self.stacks());
        let place = stacks.place().ok_or_else(|| why(worker, &SnapshotError::Busy))?;
        let threads = if options.all_threads { Threads::All } else { Threads::First };
        let taken = kill_switch.snapshot_holding(threads, TAKING_ON_DEMAND, place.clone()).await;
        let snapshot = taken.map_err(|error| why(worker, &error))?;
        Ok(stacks.named_within(snapshot, place, NAMING).await)
    }

    pub(super) fn stacks(&self) -> &Arc<Stacks> {
        &self.core().stacks
    }

    /// Returns the switch of the worker of this name.
    pub(crate) fn switch_of(&self, worker: &str) -> Result<Arc<KillSwitch>, InspectionError> {
        let core = self.core();
        // A fork shares the workers with its parent, and must leave them alone.
        if !core.is_here() {
            return Err(InspectionError::unknown(worker));
        }
        let found = core.with(|state, _| {
            let slot = state.worker(worker).and_then(|id| state.slots.get(&id));
            slot.map(|slot| slot.kill_switch.clone()).ok_or_else(|| state.numbers.load(Ordering::Relaxed))
        });
        // Names are numbered, and no number is used twice.
        let number =
            worker.strip_prefix(self.name()).and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok());
        found.map_err(|next| match number {
            Some(number) if number < next => InspectionError::gone(worker),
            _ => InspectionError::unknown(worker),
        })
    }
}

/// Returns why a worker could not be looked at.
pub(super) fn why(worker: &str, error: &SnapshotError) -> InspectionError {
    match error {
        SnapshotError::Gone => InspectionError::gone(worker),
        SnapshotError::Busy => InspectionError::busy(worker),
        SnapshotError::Forbidden { .. } => InspectionError::forbidden(worker, error.to_string()),
        other => InspectionError::failed(worker, other.to_string()),
    }
}
