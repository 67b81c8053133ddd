//! A process that another program started, and that works for this one. It is not this process's child, so
//! its exit status is unknown here, and the kernel decides whether it may be killed.

use super::fork::Home;
use super::socket::Peer;
use super::trace::Traced;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, pidfd_send_signal};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Maximum time without an answer to a ping. After that the worker counts as stopped or hung.
const SILENCE: Duration = Duration::from_secs(5);

/// The process of an attached worker.
#[derive(Debug)]
pub(crate) struct AttachedProcess {
    home: Home,
    peer: Peer,
    /// Readable once the process is dead. `None` if the system provides no pidfd.
    pidfd: Option<OwnedFd>,
    started: Instant,
    killed: AtomicBool,
    /// The process cannot be killed, and is ignored from now on.
    given_up: watch::Sender<bool>,
    /// When the unanswered ping was sent.
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

    /// Begins to trace its first thread, if that is permitted.
    pub(crate) fn seize(&self) -> io::Result<Traced> {
        let pid = Pid::from_raw(self.peer.pid.cast_signed()).ok_or(Errno::SRCH)?;
        if !self.home.is_here() {
            return Err(Errno::SRCH.into());
        }
        let traced = Traced::seize(pid)?;
        // Its parent may have reaped it long ago, and its number be another's. One that lives now has its own.
        if self.has_ended() { Err(Errno::SRCH.into()) } else { Ok(traced) }
    }

    /// Returns whether the process is dead. Without a pidfd nobody knows before it is given up.
    pub(crate) fn has_ended(&self) -> bool {
        let is_readable = |pidfd: &OwnedFd| {
            let mut asked = [PollFd::new(pidfd, PollFlags::IN)];
            poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
        };
        *self.given_up.borrow() || self.pidfd.as_ref().is_some_and(is_readable)
    }

    /// Sends SIGKILL if that is permitted. Otherwise its connections are closed later, and a well-behaved
    /// worker exits then.
    pub(crate) fn kill(&self) {
        if !self.home.is_here() {
            return;
        }
        let sent = self.pidfd.as_ref().map(|pidfd| pidfd_send_signal(pidfd, Signal::KILL));
        match sent {
            Some(Ok(())) => self.killed.store(true, Ordering::Relaxed),
            // The process is dead, and its pidfd reports that.
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

    /// Completes when the process cannot be killed, and must be treated as dead.
    pub(crate) async fn given_up(&self) {
        // The sender lives as long as `self`.
        let _ = self.given_up.subscribe().wait_for(|given_up| *given_up).await;
    }

    /// Records a ping. Returns `false` if an earlier one is unanswered.
    pub(crate) fn was_asked(&self) -> bool {
        let mut asked = self.asked();
        let is_new = asked.is_none();
        asked.get_or_insert_with(Instant::now);
        is_new
    }

    /// Records an answer.
    pub(crate) fn was_heard(&self) {
        *self.asked() = None;
    }

    /// Returns whether a ping has been unanswered for too long.
    pub(crate) fn is_silent(&self) -> bool {
        self.asked().is_some_and(|since| since.elapsed() >= SILENCE)
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
