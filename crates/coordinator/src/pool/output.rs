//! The last lines that a pool's workers wrote, for those that read or follow them.

use super::RawPool;
use procpool_protocol::engine::WorkerOutput;
use std::sync::Arc;

impl RawPool {
    /// Returns the last lines that the living worker of this name wrote, or `None` if there is no such worker.
    pub fn output(&self, worker: &str) -> Option<Arc<dyn WorkerOutput>> {
        let core = self.core();
        if !core.is_here() {
            return None;
        }
        let found = core.with(|state, _| {
            let slot = state.slots.values().find(|slot| slot.name == worker);
            slot.map(|slot| slot.kill_switch.lines().clone())
        });
        found.map(|lines| lines as Arc<dyn WorkerOutput>)
    }
}
