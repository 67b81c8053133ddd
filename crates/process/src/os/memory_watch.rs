//! Watches the memory of one worker whose limit no cgroup holds, and kills the worker above it.

use super::worker_process::WorkerProcess;
use crate::clock;
use crate::memory_limit;
use std::sync::{Arc, Weak};

/// Begins to watch a process, until it is dead. Does nothing if its memory has no limit, or a cgroup holds it.
/// Needs a tokio runtime.
pub(crate) fn begin(process: &Arc<WorkerProcess>) {
    if let Some(limit) = process.watched_limit() {
        tokio::spawn(watch(Arc::downgrade(process), limit));
    }
}

async fn watch(process: Weak<WorkerProcess>, limit: u64) {
    // Held only while it is looked at: dropping the process elsewhere ends it.
    let look = || process.upgrade()?.own_memory_or_kill();
    while let Some(own) = look() {
        clock::sleep(memory_limit::until_next_look(limit, own)).await;
    }
}
