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

/// Time after which it is looked again whether others have joined a group, where groups are large.
const SETTLE: Duration = Duration::from_micros(50);

/// Maximum number of such looks. A group waits for less than a millisecond.
const LOOKS: usize = 4;

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
    /// The size of recent groups. Falls by a quarter with each smaller one.
    usual: usize,
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
        // Those who were just told of the last group push one after the other. Without a pause, the first of them would be a
        // group of its own, with a sync of its own.
        let mut before = 0;
        for _ in 0..LOOKS {
            if !waiting.is_growing(before) {
                break;
            }
            before = waiting.ops.len();
            drop(waiting);
            // sleep: nobody knows whether others come
            std::thread::sleep(SETTLE);
            waiting = self.lock();
        }
        let count = waiting.ops.len().min(MAX_GROUP);
        waiting.usual = count.max(waiting.usual - waiting.usual.div_ceil(4));
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
    /// Returns whether others are likely to join: recent groups had several operations, and this one grows.
    fn is_growing(&self, before: usize) -> bool {
        const SEVERAL: usize = 8;
        !self.is_closed && self.usual >= SEVERAL && self.ops.len() > before + before / 4
    }

    fn add(&mut self, op: Op) {
        self.bytes += op.bytes();
        self.ops.push_back(op);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_waits_for_others_only_after_large_groups_and_while_it_grows() {
        let waiting = |ops, usual| {
            let ops = (0..ops).map(|_| Op::Drain(tokio::sync::oneshot::channel().0)).collect();
            Waiting { ops, usual, ..Waiting::default() }
        };
        assert!(waiting(1, 64).is_growing(0) && waiting(80, 64).is_growing(63));
        assert!(!waiting(80, 64).is_growing(64) && !waiting(1, 7).is_growing(0));
        // A look without anything waits for nobody.
        assert!(!waiting(0, 64).is_growing(0));
    }

    #[test]
    fn it_forgets_large_groups_soon() {
        let queue = OpQueue::default();
        let push = |count| {
            (0..count).for_each(|_| assert!(queue.push(Op::Drain(tokio::sync::oneshot::channel().0))));
        };
        push(100);
        assert_eq!(queue.take(None).len(), 100);
        for _ in 0..12 {
            push(1);
            assert_eq!(queue.take(None).len(), 1);
        }
        assert!(queue.lock().usual < 8, "{}", queue.lock().usual);
    }
}
