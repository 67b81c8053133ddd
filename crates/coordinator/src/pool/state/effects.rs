//! The effects that a critical section leaves to perform once its lock is released.
//!
//! Nothing is woken, written, killed or dropped under the lock.

use super::events::Events;
use super::generations::Reloaded;
use super::recall::Recall;
use super::slot::{Flush, WorkerSlot};
use crate::pool::stacks::{Look, Withheld};
use crate::recorder::FailedJob;
use crate::sharing::{Dropped, Wanted};
use procpool_process::{KillSwitch, Outboxes, Recipe};
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobId, Payload};
use procpool_scheduler::{JobId as Key, WorkerId};
use smallvec::SmallVec;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Collected under the lock, performed after it. Passed on by reference: it is large, and most of it is mostly empty.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) flush_jobs: Flushes,
    /// Workers that have something to do until then: others may join what is written.
    pub(crate) flush_soon: Flushes,
    pub(crate) flush_control: Vec<Arc<Outboxes>>,
    pub(crate) outcomes: Vec<(oneshot::Sender<Finished>, Finished)>,
    /// Outcomes whose jobs are saved first.
    pub(crate) failed: Vec<FailedJob>,
    /// Accepted jobs that count as refused.
    pub(crate) given_back: Vec<JobId>,
    pub(crate) ended: Vec<Arc<Events>>,
    /// Of watched jobs that have a worker now, or no longer.
    pub(crate) stirred: Vec<Arc<Events>>,
    pub(crate) kill: Vec<Arc<KillSwitch>>,
    /// Looks to begin at workers whose job's time is up. Outcomes wait for them, for a moment.
    pub(crate) looks: Vec<Arc<Look>>,
    /// Workers to kill that are looked at. Performed after the looks are begun.
    pub(crate) kill_looked_at: Vec<Arc<Look>>,
    /// Looks at jobs that their workers run no longer.
    pub(crate) left: Vec<Arc<Look>>,
    /// Outcomes that wait for the stack of a crash. Its burial takes them.
    pub(crate) crashed: Vec<Withheld>,
    pub(crate) spawn: Vec<(WorkerId, Arc<Recipe>)>,
    pub(crate) reloaded: Vec<Reloaded>,
    /// Jobs whose payloads the scheduler asks for; at most one that still waits.
    pub(crate) identify: Vec<(Key, Payload)>,
    /// Workers that are asked back for what they have not begun.
    pub(crate) recalls: Vec<Recall>,
    /// Arenas that workers could use.
    pub(crate) wanted: Vec<(WorkerId, Wanted)>,
    /// Kept until here only to be dropped here: dead workers, arenas, open files.
    pub(crate) buried: Vec<WorkerSlot>,
    pub(crate) arenas: Vec<Dropped>,
    /// Generations that will start no further worker, each with an open file.
    pub(crate) outdated: Vec<Arc<Recipe>>,
    /// The timer sleeps past the next timeout.
    pub(crate) rearm: bool,
    /// The queue has room for a payload of this length, and somebody may wait for that.
    pub(crate) room: Option<usize>,
    /// The last worker of a pool that is shutting down is gone.
    pub(crate) drained: bool,
}

/// Nearly every job that is submitted has one worker written to, and none needs an allocation for that.
type Flushes = SmallVec<[Arc<Outboxes>; 2]>;

impl Effects {
    /// Adds the writing of the frames that were appended for a worker.
    pub(crate) fn flush(&mut self, lines: &Arc<Outboxes>, flush: Flush) {
        let flushes = match flush {
            Flush::Now => &mut self.flush_jobs,
            Flush::Soon => &mut self.flush_soon,
            Flush::ByOthers => return,
        };
        // Many answers of one worker come together, and each lets it have another job.
        if flushes.last().is_none_or(|last| !Arc::ptr_eq(last, lines)) {
            flushes.push(lines.clone());
        }
    }
}
