//! The usage of a pool's workers, read from `/proc` when somebody asks. The files are read on a thread of their own, and not
//! under the pool's lock: a thousand workers take tens of milliseconds.

use super::RawPool;
use super::core::Core;
use procpool_process::KillSwitch;
use procpool_protocol::status::{PoolUsage, WorkerUsage};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Age up to which a sample is shared by all that ask.
const FRESH: Duration = Duration::from_millis(250);

impl RawPool {
    /// Returns what the workers use of memory and processor time, at most 250 ms ago. The system is asked when somebody
    /// asks for it, on a thread of the runtime's blocking pool. In a fork nothing is known.
    pub async fn usage(&self) -> Arc<PoolUsage> {
        let core = self.core();
        if core.is_here() { sample(core).await } else { Arc::default() }
    }
}

/// The last sample of a pool. A caller that asks while one is taken waits for that one.
#[derive(Debug, Default)]
pub(super) struct LastUsage(Mutex<Option<(Instant, Arc<PoolUsage>)>>);

/// Returns a sample that is at most 250 ms old.
async fn sample(core: &Arc<Core>) -> Arc<PoolUsage> {
    let mut last = core.usage.0.lock().await;
    if let Some((_, usage)) = last.as_ref().filter(|(taken, _)| taken.elapsed() < FRESH) {
        return usage.clone();
    }
    let pool = core.clone();
    let taken = core.runtime().spawn_blocking(move || take(&pool)).await;
    // The pool's runtime is shutting down.
    let Ok(mut usage) = taken else { return Arc::default() };
    if let Some((_, before)) = &*last {
        // Of a worker that was dying, neither the living nor the dead have the time.
        usage.cpu_time = usage.cpu_time.max(before.cpu_time);
    }
    let usage = Arc::new(usage);
    *last = Some((Instant::now(), usage.clone()));
    usage
}

fn take(core: &Core) -> PoolUsage {
    let (slots, spent) = core.with(|state, _| {
        let slots = state.slots.values().map(|slot| (slot.number, slot.kill_switch.clone()));
        (slots.collect::<Vec<(u64, Arc<KillSwitch>)>>(), state.spent)
    });
    let workers = slots.into_iter().map(|(number, process)| {
        let mut usage = WorkerUsage::new(format!("{}-{number}", core.name));
        usage.resident_bytes = process.resident_memory().filter(|&bytes| bytes > 0);
        usage.cpu_time = process.cpu_time();
        usage
    });
    PoolUsage::of(workers.collect(), spent)
}
