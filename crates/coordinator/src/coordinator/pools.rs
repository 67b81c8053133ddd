//! The pools that a coordinator has now, and those that leave it and still have jobs.

use crate::pool::RawPool;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// See the file.
#[derive(Debug)]
pub(crate) struct Pools {
    /// Read for each job, and held while it is submitted, so that no job meets a pool that has been removed.
    current: RwLock<BTreeMap<String, RawPool>>,
    leaving: Mutex<Leaving>,
    /// Held while pools are changed.
    pub(super) changing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Leaving {
    /// Pools that end the jobs that they have.
    pools: Vec<RawPool>,
    /// Nothing may be added any longer.
    is_closed: bool,
}

impl Pools {
    pub(super) fn new(pools: BTreeMap<String, RawPool>) -> Self {
        let (current, leaving) = (RwLock::new(pools), Mutex::default());
        Self { current, leaving, changing: tokio::sync::Mutex::default() }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, RawPool>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the pool of this name.
    pub(crate) fn get(&self, name: &str) -> Option<RawPool> {
        self.read().get(name).cloned()
    }

    /// Returns all pools, without those that leave.
    pub(crate) fn all(&self) -> Vec<RawPool> {
        self.read().values().cloned().collect()
    }

    /// Returns the pools that end the jobs that they have.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = RawPool> + use<> {
        self.lock().pools.clone().into_iter()
    }

    /// Puts `new` pools in the place of those of the same name, and takes those away that are `removed`. Returns
    /// the pools that leave, or `None` if the coordinator shuts down and nothing has changed.
    pub(super) fn exchange(
        &self,
        new: BTreeMap<String, RawPool>,
        removed: &[String],
    ) -> Option<Vec<RawPool>> {
        let mut current = self.write();
        let mut leaving = self.lock();
        if leaving.is_closed {
            return None;
        }
        let mut gone: Vec<_> = removed.iter().filter_map(|name| current.remove(name)).collect();
        gone.extend(new.into_iter().filter_map(|(name, pool)| current.insert(name, pool)));
        leaving.pools.extend(gone.iter().cloned());
        Some(gone)
    }

    /// Forgets a pool that has no jobs and no workers left.
    pub(super) fn has_left(&self, pool: &RawPool) {
        self.lock().pools.retain(|it| !it.is_same(pool));
    }

    /// Lets no pool be changed any longer. Returns every pool.
    pub(super) fn close(&self) -> Vec<RawPool> {
        let current = self.read();
        let mut leaving = self.lock();
        leaving.is_closed = true;
        current.values().chain(&leaving.pools).cloned().collect()
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, RawPool>> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Leaving> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
