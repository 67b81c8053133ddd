//! Waiting for a process to die, through its pidfd in tokio's reactor.
#![allow(unsafe_code)]

use super::worker_process::WorkerProcess;
use std::io;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Reports when a process is dead.
#[derive(Debug)]
pub(crate) struct Alive {
    process: Arc<WorkerProcess>,
    /// `None` if the system provides no pidfd of the process.
    watched: Option<AsyncFd<Arc<WorkerProcess>>>,
}

impl Alive {
    /// Watches `process`. Needs a tokio runtime with I/O.
    pub(crate) fn watch(process: Arc<WorkerProcess>) -> io::Result<Self> {
        let register = |process| {
            // SAFETY: the descriptor that `as_raw_fd` returns belongs to the process's `OwnedFd`, which is
            // never replaced. It is closed only when the last `Arc` is dropped, and the `AsyncFd` holds one.
            unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) }
        };
        let watched = process.pidfd().is_some().then(|| register(process.clone()));
        let watched = watched.transpose().map_err(|error| error.into_parts().1)?;
        Ok(Self { process, watched })
    }

    /// Completes when the process is dead, or must be treated as dead. Safe to drop and call again.
    pub(crate) async fn died(&self) {
        match (&self.watched, self.process.attached()) {
            // An error means that the reactor is shutting down, and this task with it. The caller continues
            // with reaping, which waits in the kernel.
            (Some(watched), None) => drop(watched.readable().await),
            (Some(watched), Some(attached)) => tokio::select! {
                _ = watched.readable() => {}
                () = attached.given_up() => {}
            },
            (None, Some(attached)) => attached.given_up().await,
            // A child always has a pidfd.
            (None, None) => {}
        }
    }
}
