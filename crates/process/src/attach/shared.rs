//! The state that an attach point and its acceptor share: the connections so far, and the vacant places that
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

/// The identity of an attaching process: the kernel's pid, and the process's own name. In another pid
/// namespace, all processes have the pid 0.
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
    /// Connections that have not introduced themselves, oldest first. Bounded.
    pub(super) greetings: VecDeque<(Peer, AbortHandle)>,
    /// Processes with one connection of two. Bounded.
    pub(super) halves: HashMap<Key, Half>,
    /// Complete arrivals that no pool waits for. Bounded.
    pub(super) standby: VecDeque<Arrival>,
    /// Bounded by the number of workers that a pool may start.
    pub(super) waiting: VecDeque<oneshot::Sender<Arrival>>,
    pub(super) complaints: Complaints,
    /// Numbers the halves, so that an expiring half is distinguished from a later one of the same process.
    pub(super) halves_so_far: u64,
}

/// The log lines so far, so that a thousand attempts by one process write one line. Bounded: it is
/// cleared when it is full.
#[derive(Debug, Default)]
pub(super) struct Complaints(HashSet<(u32, &'static str)>);

impl Complaints {
    const MOST: usize = 256;

    /// Returns whether this is the first complaint with this word about the process.
    pub(super) fn is_new(&mut self, pid: u32, word: &'static str) -> bool {
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        self.0.insert((pid, word))
    }
}

impl Arrival {
    /// Returns whether the process has hung up meanwhile.
    pub(super) fn is_gone(&mut self) -> bool {
        matches!(self.jobs.socket.try_read(self.jobs.decoder.read_buffer()), Ok(0))
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
