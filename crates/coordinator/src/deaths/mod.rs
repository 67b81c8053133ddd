//! [`DeathLog`]: the deaths of workers that are remembered, of all pools that share it. Bounded in number and in
//! bytes, however often workers die.
//!
//! `ring` is the structure without a clock, `signature` decides which deaths are of one group, `groups` counts them,
//! and `weight` bounds what one death may hold.

mod groups;
mod ring;
mod saved;
mod signature;
#[cfg(test)]
mod tests;
mod weight;

use procpool_protocol::JobId;
use procpool_protocol::deaths::{Death, DeathGroup, DeathPage, DeathQuery};
use ring::Ring;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many deaths are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeathLimits {
    /// Maximum number of deaths. `0`: none. At most 100,000 count. Default: 1000.
    pub records: usize,
    /// Maximum size of all of them together, in bytes. Default: 8 MiB.
    pub bytes: usize,
}

impl Default for DeathLimits {
    fn default() -> Self {
        Self { records: 1000, bytes: 8 << 20 }
    }
}

/// The deaths of workers that are remembered. Pools that share one, as those of a
/// [`Coordinator`](crate::Coordinator) do, have their deaths in one order.
#[derive(Debug, Default)]
pub struct DeathLog(Mutex<Ring>);

impl DeathLog {
    /// Returns a log without deaths.
    pub fn new(limits: DeathLimits) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Ring::new(limits))))
    }

    /// Returns the deaths that match, the newest first.
    pub fn deaths(&self, query: &DeathQuery) -> DeathPage {
        self.lock().page(query)
    }

    /// Returns the death of this number, if it is still remembered.
    pub fn death(&self, id: u64) -> Option<Arc<Death>> {
        self.lock().get(id)
    }

    /// Returns the groups of deaths, the one with the newest death first. At most 512 are remembered, with the
    /// number of their deaths, those included that are no longer remembered one by one.
    pub fn groups(&self) -> Vec<DeathGroup> {
        self.lock().groups()
    }

    /// Remembers a death, to which this gives its number and its group.
    pub(crate) fn record(&self, death: Death) {
        // The oldest are dropped after the lock.
        let gone = self.lock().push(death);
        drop(gone);
    }

    /// Notes in which file a job was saved that has died, or that ended before its worker dies.
    pub(crate) fn saved(&self, job: JobId, file: &Path) {
        self.lock().saved(job, file);
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
