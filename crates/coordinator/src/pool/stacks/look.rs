//! The look at a worker whose job's time is up. Its stack is copied at the deadline, and unwound and named while the
//! job may still give up. The outcome leaves with the stack. Does not: decide about the kill, which goes out in time
//! whatever happens here.

use super::phase::{Kill, Phase};
use super::withheld::Withheld;
use super::{NAMING, Place, Stacks, TAKING, UNDERSTANDING, unnamed_in_time, unread, unwound};
use crate::pool::core::Core;
use crate::pool::state::State;
use crate::pool::state::slot::WorkerSlot;
use procpool_process::{KillSwitch, Outboxes, SnapshotError, Threads, clock};
use procpool_protocol::stack::Stack;
use procpool_scheduler::{JobId as Key, WorkerId};
use procpool_stacks::Snapshot;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// Maximum time for which a look waits until others are over.
const QUEUEING: Duration = Duration::from_millis(100);

/// Maximum time for which the report of a death waits for its stack.
const LONGEST: Duration = Duration::from_secs(6);

/// A look at a worker whose job's time is up.
#[derive(Debug)]
pub(crate) struct Look {
    worker: WorkerId,
    job: Key,
    /// The number by which the worker knows the job.
    sequence: u64,
    kill_switch: Arc<KillSwitch>,
    lines: Option<Arc<Outboxes>>,
    phase: watch::Sender<Phase>,
    /// The outcome of the job, if its caller waits for the stack.
    withheld: Option<Withheld>,
    stack: OnceLock<Arc<Stack>>,
}

/// Kills when it is dropped. A runtime that shuts down drops its tasks wherever they are.
#[derive(Debug)]
struct KillOnDrop(Arc<KillSwitch>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Ends a look when it is dropped: nobody waits for a task that is gone. An outcome that nobody has told goes out then,
/// and its job is saved.
struct EndOnDrop(Arc<Look>, Weak<Core>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if let Some(core) = self.1.upgrade() {
            self.0.deliver(&core, None);
        }
        self.0.phase.send_replace(Phase::Over);
    }
}

impl Look {
    /// Returns a look at the job that the worker runs, or `None` if it runs none.
    pub(crate) fn at(worker: WorkerId, slot: &WorkerSlot, withheld: Option<Withheld>) -> Option<Arc<Self>> {
        let held = slot.held.front()?;
        Some(Arc::new(Self {
            worker,
            job: held.job,
            sequence: held.sequence,
            kill_switch: slot.kill_switch.clone(),
            lines: slot.lines.clone(),
            phase: watch::Sender::new(Phase::Queued),
            withheld,
            stack: OnceLock::new(),
        }))
    }

    /// Returns whether this is a look at the job that the worker runs, as far as its answers tell.
    pub(crate) fn is_at(&self, slot: &WorkerSlot) -> bool {
        slot.held.front().is_some_and(|held| held.job == self.job)
    }

    /// Returns whether the worker still runs the job, as far as its answers and its page tell. It may have ended the
    /// job and begun another one of which the pool has not heard.
    fn is_running(&self, core: &Core) -> bool {
        let begun = self.lines.as_ref().and_then(|lines| lines.begun());
        let held = |state: &mut State| state.slots.get(&self.worker).is_some_and(|slot| self.is_at(slot));
        begun.is_none_or(|begun| begun <= self.sequence) && core.with(|state, _| held(state))
    }

    /// Takes a step of the look, and wakes those that wait for it.
    fn step<T>(&self, step: impl FnOnce(&mut Phase) -> T) -> Option<T> {
        let mut answer = None;
        self.phase.send_if_modified(|phase| {
            let before = *phase;
            answer = Some(step(phase));
            *phase != before
        });
        answer
    }

    /// Takes in that the worker no longer runs the job.
    pub(crate) fn leave(&self, core: &Core) {
        if self.step(Phase::leave) == Some(true) {
            self.deliver(core, None);
        }
    }

    fn deliver(&self, core: &Core, stack: Option<&Arc<Stack>>) {
        if let Some(withheld) = &self.withheld {
            withheld.deliver(core, stack);
        }
    }

    /// Delivers the outcome, and keeps the stack for the report of a death.
    fn tell(&self, core: &Weak<Core>, stack: Option<Stack>) {
        let stack = stack.map(Arc::new);
        if let Some(stack) = &stack {
            // The first one counts.
            let _ = self.stack.set(stack.clone());
        }
        if let Some(core) = core.upgrade() {
            self.deliver(&core, stack.as_ref());
        }
    }

    async fn perform(self: Arc<Self>, core: Weak<Core>, stacks: Arc<Stacks>, place: Option<Place>) {
        let _end = EndOnDrop(self.clone(), core.clone());
        let mut looking = std::pin::pin!(self.look(&core, &stacks, place));
        let longest = self.withheld.as_ref().map_or(LONGEST, Withheld::longest);
        if clock::timeout(longest, &mut looking).await.is_err() {
            if let Some(core) = core.upgrade() {
                self.deliver(&core, None);
            }
            looking.await;
        }
    }

    async fn look(&self, core: &Weak<Core>, stacks: &Stacks, place: Option<Place>) {
        let place = match place {
            Some(place) => place,
            None => match self.queue(stacks).await {
                Some(place) if self.step(Phase::begin) == Some(true) => place,
                // Who has ended it has told so.
                _ if *self.phase.borrow() == Phase::Over => return,
                _ => return self.tell(core, Some(Stack::absent(SnapshotError::Busy.to_string()))),
            },
        };
        stacks.prepare();
        let taken = self.take(core, &place).await;
        let counts = matches!(taken, Ok(Some(_)));
        if self.step(|phase| phase.end(counts)) != Some(counts) {
            return self.tell(core, None);
        }
        match taken {
            Ok(Some(snapshot)) => self.understand(core, stacks, snapshot, place).await,
            Err(error) if !error.is_gone() => self.tell(core, Some(Stack::absent(error.to_string()))),
            // The worker does another job. Or it has died, and its death says of what.
            Ok(None) | Err(_) => self.tell(core, None),
        }
    }

    /// Waits for a place, as long as somebody needs the look.
    async fn queue(&self, stacks: &Stacks) -> Option<Place> {
        let mut phase = self.phase.subscribe();
        tokio::select! {
            place = stacks.place_within(QUEUEING) => place,
            _ = phase.wait_for(|phase| *phase != Phase::Queued) => None,
        }
    }

    /// Copies the stack. `None`: the worker runs another job.
    async fn take(&self, core: &Weak<Core>, place: &Place) -> Result<Option<Snapshot>, SnapshotError> {
        let is_running = || core.upgrade().is_some_and(|core| self.is_running(&core));
        // A worker that does another job is not stopped for this one.
        if !is_running() {
            return Ok(None);
        }
        let snapshot = self.kill_switch.snapshot_holding(Threads::First, TAKING, place.clone()).await?;
        Ok(is_running().then_some(snapshot))
    }

    /// Unwinds and names a stack.
    async fn understand(&self, core: &Weak<Core>, stacks: &Stacks, snapshot: Snapshot, place: Place) {
        let Some(calls) = unwound(snapshot, place, UNDERSTANDING).await else {
            return self.tell(core, Some(unread()));
        };
        let mut naming = std::pin::pin!(stacks.name(calls.clone(), NAMING));
        let left = self.withheld.as_ref().map_or(NAMING, Withheld::left);
        let stack = match clock::timeout(left, &mut naming).await {
            Ok(stack) => stack,
            Err(_) => {
                if let Some(core) = core.upgrade() {
                    self.deliver(&core, Some(&Arc::new(unnamed_in_time(&calls))));
                }
                naming.await
            }
        };
        self.tell(core, Some(stack));
    }

    /// Kills the worker once its stack is copied.
    async fn kill_after(self: Arc<Self>, kill: KillOnDrop) {
        let mut phase = self.phase.subscribe();
        let _ = clock::timeout(TAKING, phase.wait_for(|phase| *phase != Phase::Taking)).await;
        drop(kill);
    }
}

impl Core {
    /// Begins a look, on other threads than this one.
    pub(crate) fn begin_look(&self, look: Arc<Look>) {
        let place = self.stacks.place().filter(|_| look.step(Phase::begin) == Some(true));
        self.runtime().spawn(look.perform(self.this.clone(), self.stacks.clone(), place));
    }

    /// Kills a worker that is looked at. Waits only while its stack is copied.
    pub(crate) fn kill_looked_at(&self, look: Arc<Look>) {
        let kill = KillOnDrop(look.kill_switch.clone());
        match look.step(Phase::kill) {
            Some(Kill::AfterLook) => {
                self.runtime().spawn(look.kill_after(kill));
            }
            Some(Kill::Unseen) => {
                // Before the death asks for it.
                look.tell(&self.this, Some(Stack::absent(SnapshotError::Busy.to_string())));
                drop(kill);
            }
            Some(Kill::Now) | None => drop(kill),
        }
    }
}

/// Waits for the stack of a worker that was killed, for a moment.
pub(crate) async fn of(look: Arc<Look>) -> Option<Arc<Stack>> {
    let mut phase = look.phase.subscribe();
    let _ = clock::timeout(LONGEST, phase.wait_for(|phase| *phase == Phase::Over)).await;
    look.stack.get().cloned()
}
