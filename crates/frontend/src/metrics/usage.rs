//! The memory and the processor time of workers. To read them takes a system call or two a worker, which a scrape does not
//! wait for: it shows what was measured for the one before, and has it measured anew.

use procpool_protocol::engine::{Admin, PoolUsage};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The last measurement of each pool.
#[derive(Default)]
pub(crate) struct Usages {
    last: Mutex<BTreeMap<String, Arc<PoolUsage>>>,
    is_measuring: AtomicBool,
}

impl Usages {
    /// Returns what was measured last, and begins to measure these pools again, one after the other.
    pub(crate) fn refresh(
        self: &Arc<Self>,
        admin: &Arc<dyn Admin>,
        pools: Vec<String>,
    ) -> BTreeMap<String, Arc<PoolUsage>> {
        if !self.is_measuring.swap(true, Ordering::AcqRel) {
            let (admin, measuring) = (admin.clone(), Measuring(self.clone()));
            tokio::spawn(async move {
                let mut measured = BTreeMap::new();
                for pool in pools {
                    if let Some(usage) = admin.usage(&pool).await {
                        measured.insert(pool, usage);
                    }
                }
                *measuring.0.lock() = measured;
            });
        }
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<PoolUsage>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A measurement that is under way.
struct Measuring(Arc<Usages>);

impl Drop for Measuring {
    fn drop(&mut self) {
        self.0.is_measuring.store(false, Ordering::Release);
    }
}
