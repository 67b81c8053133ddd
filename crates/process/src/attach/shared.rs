//! The state that an attach point and its door share: the connections so far, and the places that
//! wait. All bounded.

use crate::opening::Line;
use crate::os::attached_process::AttachedProcess;
use crate::os::socket::Peer;
use procpool_protocol::handshake::Connection;
use std::collections::{HashMap, HashSet, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// A process that attached, with both of its connections.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) process: AttachedProcess,
    pub(crate) jobs: Line,
    pub(crate) control: Line,
}

/// The identity of an attaching process: the kernel's, and its own name where it lives in another
/// namespace of processes and all have the number 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) uid: u32,
    pub(super) pid: u32,
    pub(super) process: String,
}

/// One connection of a process whose other one is expected.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) number: u64,
    pub(super) connection: Connection,
    pub(super) line: Line,
    pub(super) pidfd: Option<OwnedFd>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) pool: String,
    pub(super) users: Vec<u32>,
    pub(super) token: String,
    pub(super) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Those that have not introduced themselves, the oldest first. Bounded.
    pub(super) greetings: VecDeque<(Peer, AbortHandle)>,
    /// Processes with one connection of two. Bounded.
    pub(super) halves: HashMap<Key, Half>,
    /// Whole ones that nobody waits for. Bounded.
    pub(super) standby: VecDeque<Arrival>,
    /// Bounded by the workers that a pool may start.
    pub(super) waiting: VecDeque<oneshot::Sender<Arrival>>,
    pub(super) complaints: Complaints,
    /// Numbers halves, so that one that expires is distinguished from a later one of the same
    /// process.
    pub(super) halves_so_far: u64,
}

/// The log lines so far, so that a thousand attempts of a process make one line. Bounded: it
/// forgets.
#[derive(Debug, Default)]
pub(super) struct Complaints(HashSet<(u32, &'static str)>);

impl Complaints {
    const MOST: usize = 256;

    /// Returns whether this is the first time.
    pub(super) fn is_new(&mut self, pid: u32, word: &'static str) -> bool {
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        self.0.insert((pid, word))
    }
}

impl Arrival {
    /// Returns whether it has hung up meanwhile.
    pub(super) fn is_gone(&mut self) -> bool {
        matches!(self.jobs.socket.try_read(self.jobs.decoder.read_buffer()), Ok(0))
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
