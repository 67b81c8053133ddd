//! An engine that counts how often it is looked at, for the tests beside it.

use procpool_protocol::engine::{
    Admin, BoxFuture, PoolSample, PoolSchemas, PoolStatus, Quarantine, Reloaded, WorkerStatus,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[derive(Default)]
pub(super) struct Counting(AtomicUsize);

impl Counting {
    pub(super) fn looks(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// It has one pool without workers.
impl Admin for Counting {
    fn sample(&self, samples: &mut Vec<PoolSample>) {
        self.0.fetch_add(1, Relaxed);
        *samples = vec![PoolSample::new("fib")];
    }
    fn pools(&self) -> Vec<PoolStatus> {
        Vec::new()
    }
    fn workers(&self, _: &str) -> Option<Vec<WorkerStatus>> {
        None
    }
    fn schemas(&self, _: &str) -> Option<Arc<PoolSchemas>> {
        None
    }
    fn reload(&self, _: &str) -> BoxFuture<'_, Reloaded> {
        Box::pin(async { None })
    }
    fn set_paused(&self, _: &str, _: bool) -> Option<()> {
        None
    }
    fn quarantine(&self, _: &str) -> Option<Quarantine> {
        None
    }
    fn clear_quarantine(&self, _: &str, _: Option<&str>) -> Option<usize> {
        None
    }
}
