//! [`OpQueue`]: the operations on their way to the store's thread, bounded in bytes.

use super::op::Op;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Maximum number of bytes of the waiting operations, with 1 KiB for each.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// Maximum number of operations of a group.
const MAX_GROUP: usize = 4096;

/// The waiting operations.
#[derive(Debug, Default)]
pub(super) struct OpQueue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    /// Rings when there is room again.
    room: Notify,
    /// Rings when nothing is taken any longer.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    ops: VecDeque<Op>,
    bytes: usize,
    is_closed: bool,
}

/// Why an operation was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// This number of bytes waits.
    Busy(usize),
    /// The store's thread has ended.
    Closed,
}

impl OpQueue {
    /// Adds an operation of a client, if there is room.
    pub(super) fn offer(&self, op: Op) -> Result<(), NotTaken> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(NotTaken::Closed);
        }
        // One that is larger than all may be is taken alone.
        if waiting.bytes > 0 && waiting.bytes + op.bytes() > MAX_BYTES {
            return Err(NotTaken::Busy(waiting.bytes));
        }
        waiting.add(op);
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// Adds an operation that follows from an accepted job. Their number is bounded by the jobs that pools have. Returns
    /// whether it was taken: not after the end of the store's thread.
    pub(super) fn push(&self, op: Op) -> bool {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return false;
        }
        waiting.add(op);
        drop(waiting);
        self.filled.notify_one();
        true
    }

    /// Adds an operation as soon as there is room. Returns whether it was taken.
    pub(super) async fn push_when_room(&self, op: Op) -> bool {
        loop {
            let room = self.room.notified();
            if self.lock().bytes <= MAX_BYTES / 2 {
                return self.push(op);
            }
            room.await;
        }
    }

    /// Returns the next operations, in order. Waits for one for at most this time, or for ever.
    pub(super) fn take(&self, time: Option<Duration>) -> Vec<Op> {
        let mut waiting = self.lock();
        let is_idle = |waiting: &mut Waiting| waiting.ops.is_empty() && !waiting.is_closed;
        waiting = match time {
            Some(time) => {
                let woken = self.filled.wait_timeout_while(waiting, time, is_idle);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.filled.wait_while(waiting, is_idle).unwrap_or_else(PoisonError::into_inner),
        };
        let count = waiting.ops.len().min(MAX_GROUP);
        let ops: Vec<_> = waiting.ops.drain(..count).collect();
        waiting.bytes -= ops.iter().map(Op::bytes).sum::<usize>();
        drop(waiting);
        if !ops.is_empty() {
            self.room.notify_waiters();
        }
        ops
    }

    /// Puts operations back in front of all others.
    pub(super) fn put_back(&self, ops: Vec<Op>) {
        let mut waiting = self.lock();
        if !waiting.is_closed {
            waiting.bytes += ops.iter().map(Op::bytes).sum::<usize>();
            for op in ops.into_iter().rev() {
                waiting.ops.push_front(op);
            }
        }
    }

    /// Is ready once nothing is taken any longer.
    pub(super) async fn closed(&self) {
        loop {
            let ended = self.ended.notified();
            if self.is_closed() {
                return;
            }
            ended.await;
        }
    }

    /// Takes nothing more. Waiting operations are dropped, so that everybody who waits for an answer learns it.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.bytes = 0;
        let dropped = std::mem::take(&mut waiting.ops);
        drop(waiting);
        drop(dropped);
        self.filled.notify_one();
        self.room.notify_waiters();
        self.ended.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, op: Op) {
        self.bytes += op.bytes();
        self.ops.push_back(op);
    }
}
