//! Samples the memory and the processor time of a pool's workers from `/proc`, when somebody asks. The files are read on
//! a thread of their own, and not under the pool's lock: a thousand workers take tens of milliseconds.

use super::RawPool;
use super::core::Core;
use procpool_process::KillSwitch;
use procpool_protocol::status::{PoolUsage, WorkerUsage};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

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

/// The last sample of a pool, and the one that is being taken, for all that come meanwhile.
#[derive(Debug, Default)]
pub(super) struct LastUsage(Mutex<Samples>);

#[derive(Debug, Default)]
struct Samples {
    last: Option<(Instant, Arc<PoolUsage>)>,
    coming: Option<watch::Receiver<Option<Arc<PoolUsage>>>>,
}

impl LastUsage {
    fn lock(&self) -> MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a sample that is at most 250 ms old. One that is begun is finished and kept, even if its caller goes away.
async fn sample(core: &Arc<Core>) -> Arc<PoolUsage> {
    let mut coming = {
        let mut samples = core.usage.lock();
        if let Some((_, usage)) = samples.last.as_ref().filter(|(taken, _)| taken.elapsed() < FRESH) {
            return usage.clone();
        }
        // One whose sender is gone will never come: it was begun on a runtime that shuts down.
        let coming = samples.coming.take().filter(|coming| coming.has_changed().is_ok());
        samples.coming.insert(coming.unwrap_or_else(|| begin(core))).clone()
    };
    let usage = coming.wait_for(Option::is_some).await.ok().and_then(|usage| usage.clone());
    usage.unwrap_or_default()
}

/// Begins to take a sample on a thread that may block.
fn begin(core: &Arc<Core>) -> watch::Receiver<Option<Arc<PoolUsage>>> {
    let (sender, receiver) = watch::channel(None);
    let pool = core.clone();
    core.runtime().spawn_blocking(move || {
        let mut usage = take(&pool);
        let mut samples = pool.usage.lock();
        if let Some((_, before)) = &samples.last {
            // Of a worker that was dying, neither the living nor the dead have the time.
            usage.cpu_time = usage.cpu_time.max(before.cpu_time);
        }
        let usage = Arc::new(usage);
        samples.last = Some((Instant::now(), usage.clone()));
        samples.coming = None;
        drop(samples);
        sender.send_replace(Some(usage));
    });
    receiver
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
