//! The turns of callers that wait for a queue slot: one that is woken and offers nothing loses its turn after a moment.

use crate::pool::core::Core;
use procpool_process::clock;
use std::time::Duration;

/// Time that a caller which was woken has before the next one is woken, too.
const TURN: Duration = Duration::from_millis(10);
/// Time after which only the pool's round wakes further callers. Those that are refused in spite of the room would be woken
/// in vain.
const LONGEST: Duration = Duration::from_secs(1);

impl Core {
    /// Wakes the first caller that fits in this room.
    pub(crate) fn give_turn(&self, room: usize) {
        if self.patient.wake(room) {
            self.watch_turns(TURN);
        }
    }

    /// Wakes further callers while there is room that those which were woken have not used. Each may be part of a future that
    /// is stored and not polled. Returns whether there were any.
    pub(crate) fn wake_those_behind(&self) -> bool {
        if self.patient.count() == 0 {
            return false;
        }
        let room = self.with(|state, _| state.scheduler.room());
        room.is_some_and(|room| self.patient.wake_further(room))
    }

    /// Looks after this time whether the room was used, and later again if it was not. Nothing runs while nobody is woken.
    fn watch_turns(&self, after: Duration) {
        if after > LONGEST || !self.patient.begins_watch() {
            return;
        }
        let core = self.this.clone();
        self.runtime().spawn(async move {
            clock::sleep(after).await;
            let Some(core) = core.upgrade() else { return };
            core.patient.ends_watch();
            if core.wake_those_behind() {
                core.watch_turns(2 * after);
            }
        });
    }
}
