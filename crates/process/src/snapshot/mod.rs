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
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};

/// Maximum number of threads of which a snapshot tells.
pub const MOST_THREADS: usize = 64;

/// Maximum number of snapshots that are taken at one time, of all pools. Each has a thread, which a hostile worker can
/// hold up. Each pool has fewer places of its own.
const ABREAST: usize = 64;

/// Size of the stack of a thread that takes a snapshot, in bytes.
const STACK: usize = 128 * 1024;

/// Which threads of a worker a snapshot tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The first one, which runs the jobs.
    First,
    /// All of them, at most [`MOST_THREADS`]. They are stopped together, and go on one by one.
    All,
}

/// Returns the most likely reason for which the system does not show a process, with the way out.
pub(crate) fn reason(process: Pid, is_child: bool) -> String {
    forbidden::reason(&proc::facts(process, is_child))
}

static PLACES: PerProcess<Semaphore> = PerProcess::new();

/// Takes a snapshot within this time. The rest is given up then, and the worker goes on. Where as many are taken as
/// may be, returns at once: a worker whose time is up must not wait for others that are stuck. Drops `held` when the
/// threads of the snapshot have ended, even if that is much later.
pub(crate) async fn take(
    process: Arc<WorkerProcess>,
    threads: Threads,
    within: Duration,
    held: impl Send + 'static,
) -> Result<Snapshot, SnapshotError> {
    let until = Instant::now() + within;
    let pid = process.pid();
    let places = PLACES.get(|| Semaphore::new(ABREAST));
    let place = places.try_acquire().map_err(|_| SnapshotError::Busy)?;
    let (sender, receiver) = oneshot::channel();
    let failed = |error| SnapshotError::System { pid, error };
    let is_copied = Arc::new(AtomicBool::new(false));
    let has_copied = is_copied.clone();
    let trace = move || {
        let held = (place, held);
        let copied = taking::copied(&process, threads, until);
        has_copied.store(copied.is_ok(), Relaxed);
        let must_end = copied.as_ref().is_ok_and(taking::Copied::must_end);
        let complete = move || {
            let taken = copied.and_then(|copied| copied.complete(&process));
            // The task that buries the process must not wait for this thread.
            drop(process);
            let _ = sender.send(taken);
            drop(held);
        };
        if must_end {
            // Without a thread, the sender is dropped, and so there is no snapshot.
            let _ = thread(complete);
        } else {
            complete();
        }
    };
    thread(trace).map_err(failed)?;
    match clock::timeout(within, receiver).await {
        Ok(Ok(taken)) => taken,
        Ok(Err(_)) | Err(_) if is_copied.load(Relaxed) => Err(SnapshotError::Unread { pid }),
        Ok(Err(_)) | Err(_) => Err(SnapshotError::Slow { pid }),
    }
}

fn thread(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("procpool-tracer".into()).stack_size(STACK).spawn(work).map(drop)
}
