//! A process that somebody else started, and that works for this one: not its child, so nobody here
//! learns how it ends, and whether it may be killed is for the kernel to say.

use super::fork::Home;
use super::socket::Peer;
use rustix::process::{Signal, pidfd_send_signal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a worker that was asked may be silent. After that it counts as stopped or hung.
const SILENCE: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) struct AttachedProcess {
    home: Home,
    peer: Peer,
    /// Readable once it is dead. `None` where the system gives none.
    pidfd: Option<OwnedFd>,
    started: Instant,
    killed: AtomicBool,
    /// It cannot be killed, and is dealt with no longer.
    given_up: watch::Sender<bool>,
    /// Since when it owes an answer to a ping.
    asked: Mutex<Option<Instant>>,
}

impl AttachedProcess {
    pub(crate) fn new(peer: Peer, pidfd: Option<OwnedFd>) -> Self {
        Self {
            home: Home::here(),
            peer,
            pidfd,
            started: Instant::now(),
            killed: AtomicBool::new(false),
            given_up: watch::Sender::new(false),
            asked: Mutex::default(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.peer.pid
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Sends SIGKILL if that is permitted. Else its connections are closed by and by, and a worker that
    /// is well-behaved ends itself then.
    pub(crate) fn kill(&self) {
        if !self.home.is_here() {
            return;
        }
        let sent = self.pidfd.as_ref().map(|pidfd| pidfd_send_signal(pidfd, Signal::KILL));
        match sent {
            Some(Ok(())) => self.killed.store(true, Ordering::Relaxed),
            // It is dead, and that shows.
            Some(Err(rustix::io::Errno::SRCH)) => {}
            refused => {
                if !self.given_up.send_replace(true) {
                    let reason = refused.and_then(Result::err).map(|error| error.to_string());
                    tracing::warn!(
                        pid = self.peer.pid,
                        uid = self.peer.uid,
                        reason = reason.as_deref().unwrap_or("no pidfd"),
                        "an attached worker may not be killed from here; its connections are closed instead"
                    );
                }
            }
        }
    }

    pub(crate) fn was_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// Completes when the process cannot be killed, and has to be treated as dead.
    pub(crate) async fn given_up(&self) {
        // The sender lives as long as `self`.
        let _ = self.given_up.subscribe().wait_for(|given_up| *given_up).await;
    }

    /// Notes that it was sent a ping. Returns `false` if it owes the answer to an earlier one.
    pub(crate) fn was_asked(&self) -> bool {
        let mut asked = self.asked();
        let is_new = asked.is_none();
        asked.get_or_insert_with(Instant::now);
        is_new
    }

    /// Notes that it has answered.
    pub(crate) fn was_heard(&self) {
        *self.asked() = None;
    }

    /// Returns whether it has owed an answer for too long.
    pub(crate) fn is_silent(&self) -> bool {
        self.asked().is_some_and(|since| since.elapsed() >= SILENCE)
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
