//! The stack of a worker that crashed: recorded by itself, unwound and named after its death. The pool goes on
//! meanwhile, and so do the worker's other jobs. Only the outcome of the job that ran waits, for a bounded time.

use super::{Withheld, add};
use crate::pool::core::Core;
use procpool_process::SnapshotError;
use procpool_protocol::stack::Stack;
use procpool_stacks::Snapshot;
use std::sync::Arc;
use std::time::Duration;

/// Maximum time for which an outcome waits for the names of the functions. The process that finds them may have
/// to start first, and to read debug information.
const NAMING: Duration = Duration::from_secs(1);

/// The record of a crash, and the outcomes that wait for its stack.
#[derive(Debug)]
pub(crate) struct Crash {
    pub(crate) snapshot: Box<Snapshot>,
    pub(crate) outcomes: Vec<Withheld>,
}

/// Outcomes that wait for a stack. Dropped by a runtime that shuts down, they go out without it, and their jobs are
/// saved.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    core: &'a Core,
    outcomes: Vec<Withheld>,
}

impl Waiting<'_> {
    /// Delivers the outcomes.
    pub(crate) fn deliver(mut self, stack: Option<&Arc<Stack>>) {
        self.outcomes.drain(..).for_each(|outcome| outcome.deliver(self.core, stack));
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.outcomes.drain(..).for_each(|outcome| outcome.deliver(self.core, None));
    }
}

impl Crash {
    /// Returns the stack, and the outcomes that can be delivered with it.
    pub(crate) async fn understand(self, core: &Core) -> (Arc<Stack>, Waiting<'_>) {
        let Self { snapshot, outcomes } = self;
        let outcomes = Waiting { core, outcomes };
        let is_cut_off = snapshot.mappings.is_empty();
        let mut stack = match core.stacks.place() {
            Some(place) => core.stacks.named_within(*snapshot, place, NAMING).await,
            None => Stack::absent(SnapshotError::Busy.to_string()),
        };
        if is_cut_off {
            add(&mut stack.note, "the worker did not finish the record of its crash");
        }
        (Arc::new(stack), outcomes)
    }
}
