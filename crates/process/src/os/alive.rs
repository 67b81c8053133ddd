//! Waiting for a process to die, through its pidfd in tokio's reactor.
#![allow(unsafe_code)]

use super::process::Process;
use std::io;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Tells when a process is dead.
#[derive(Debug)]
pub(crate) struct Alive(AsyncFd<Arc<Process>>);

impl Alive {
    /// Watches `process`. Needs a tokio runtime with I/O.
    pub(crate) fn watch(process: Arc<Process>) -> io::Result<Self> {
        // SAFETY: the descriptor that `as_raw_fd` returns belongs to the process' `OwnedFd`, which is
        // never replaced and is closed only when the last `Arc` is dropped; the `AsyncFd` holds one.
        let watched = unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) };
        Ok(Self(watched.map_err(|error| error.into_parts().1)?))
    }

    /// Completes when the process is dead. Safe to drop and call again.
    pub(crate) async fn died(&self) {
        // An error means that the reactor is shutting down, and this task with it. Whoever goes on from
        // here reaps, and reaping waits in the kernel.
        let _ = self.0.readable().await;
    }
}
