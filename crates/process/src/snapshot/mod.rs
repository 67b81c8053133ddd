//! Snapshots of living workers: what their threads do at one moment, without anything running in them.
//!
//! A worker is stopped for a fraction of a millisecond. It goes on whatever fails: each snapshot has a thread of
//! its own, and the kernel releases what a thread traced when that ends. Does not: unwind, or know functions.

mod error;
mod forbidden;
mod proc;
mod taking;
#[cfg(test)]
mod tests;

pub use error::SnapshotError;

use crate::clock;
use crate::os::fork::PerProcess;
use crate::os::worker_process::WorkerProcess;
use procpool_stacks::Snapshot;
use rustix::process::Pid;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};

/// Maximum number of threads of which a snapshot tells.
pub const MOST_THREADS: usize = 64;

/// Maximum number of snapshots that are taken at one time. Each has a thread, which a hostile worker can hold up.
const ABREAST: usize = 8;

/// Size of the stack of a thread that takes a snapshot, in bytes.
const STACK: usize = 128 * 1024;

/// Which threads of a worker a snapshot tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The first one, which runs the jobs.
    First,
    /// All of them, at most [`MOST_THREADS`]. They are stopped together.
    All,
}

/// Returns the most likely reason for which the system does not show a process, with the way out.
pub(crate) fn reason(process: Pid, is_child: bool) -> String {
    forbidden::reason(&proc::facts(process, is_child))
}

static PLACES: PerProcess<Semaphore> = PerProcess::new();

/// Takes a snapshot within this time. The rest is given up then, and the worker goes on.
pub(crate) async fn take(
    process: Arc<WorkerProcess>,
    threads: Threads,
    within: Duration,
) -> Result<Snapshot, SnapshotError> {
    let until = Instant::now() + within;
    let pid = process.pid();
    let places = PLACES.get(|| Semaphore::new(ABREAST));
    let taken = clock::timeout(within, async {
        let place = places.acquire().await.map_err(|_| SnapshotError::Busy)?;
        let (sender, receiver) = oneshot::channel();
        let thread = std::thread::Builder::new().name("procpool-tracer".into()).stack_size(STACK);
        let started = thread.spawn(move || {
            let taken = taking::take(&process, threads, until);
            // The task that buries the process must not wait for this thread.
            drop(process);
            let _ = sender.send(taken);
            drop(place);
        });
        started.map_err(|error| SnapshotError::System { pid, error })?;
        receiver.await.unwrap_or(Err(SnapshotError::Slow { pid }))
    });
    match taken.await {
        Ok(taken) => taken,
        Err(_) if places.available_permits() == 0 => Err(SnapshotError::Busy),
        Err(_) => Err(SnapshotError::Slow { pid }),
    }
}
