//! The callers that wait for room in the queue, and which of them is woken when there is some: the first whose input fits.
//! Does not: know the queue, or offer jobs to it.
//!
//! One is woken at a time. A job that is accepted leaves less room, and its acceptance wakes the next one that fits; a caller
//! that is woken and offers nothing, since it is out of time or dropped, passes the room on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// All that wait.
#[derive(Debug, Default)]
pub(crate) struct Patient {
    /// Number of callers that wait. Read without the lock, since most of the time there is none.
    count: AtomicUsize,
    line: Mutex<Line>,
}

/// By their tickets, and so in the order of their arrival.
#[derive(Debug, Default)]
struct Line {
    next: u64,
    callers: BTreeMap<u64, Caller>,
}

#[derive(Debug)]
struct Caller {
    /// Length of its input.
    bytes: usize,
    /// The room for which it was woken and has not offered its job since.
    woken: Option<usize>,
    bell: Arc<Notify>,
}

/// One that waits, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    patient: &'a Patient,
    ticket: u64,
    bell: Arc<Notify>,
}

impl Patient {
    /// Counts in a caller with an input of this length, as the last one.
    pub(crate) fn join(&self, bytes: usize) -> Waiting<'_> {
        self.count.fetch_add(1, Ordering::Relaxed);
        let bell = Arc::<Notify>::default();
        let mut line = self.lock();
        let ticket = line.next;
        line.next += 1;
        line.callers.insert(ticket, Caller { bytes, woken: None, bell: bell.clone() });
        drop(line);
        Waiting { patient: self, ticket, bell }
    }

    /// Wakes the first caller whose input fits in this room and who is not awake already.
    pub(crate) fn wake(&self, room: usize) {
        // Who joins after this look offers its job after the room was made.
        if self.count() == 0 {
            return;
        }
        self.wake_from(0, room);
    }

    /// Returns the number of callers that wait.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Wakes the first caller from this ticket on that fits in this room. Its waker is not the pool's own code, so that it is
    /// called without the lock.
    fn wake_from(&self, ticket: u64, room: usize) {
        let first = self.lock().first_from(ticket, room);
        if let Some(bell) = first {
            bell.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Marks the first caller from this ticket on that fits in this room and that is not awake already. Returns its bell.
    fn first_from(&mut self, ticket: u64, room: usize) -> Option<Arc<Notify>> {
        let mut behind = self.callers.range_mut(ticket..);
        let (_, first) = behind.find(|(_, caller)| caller.woken.is_none() && caller.bytes <= room)?;
        first.woken = Some(room);
        Some(first.bell.clone())
    }
}

impl Waiting<'_> {
    /// Registers it to be woken. Returns whether it was woken before, and so is about to use its slot.
    pub(crate) fn listen(&self) -> bool {
        let mut line = self.patient.lock();
        line.callers.get_mut(&self.ticket).is_some_and(|caller| caller.woken.take().is_some())
    }

    /// Wakes the next caller behind this one that fits in this room. Only those behind it, so that callers which are all
    /// refused do not wake each other for ever.
    pub(crate) fn pass_on(&self, room: usize) {
        self.patient.wake_from(self.ticket + 1, room);
    }

    /// Completes once it was woken since it began to listen.
    pub(crate) async fn woken(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let left = self.patient.lock().callers.remove(&self.ticket);
        self.patient.count.fetch_sub(1, Ordering::Relaxed);
        if let Some(room) = left.and_then(|caller| caller.woken) {
            self.patient.wake(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::AtomicBool;
    use std::task::{Context, Poll, Wake, Waker};

    fn is_woken(waiting: &Waiting<'_>) -> bool {
        let ready = pin!(waiting.woken()).poll(&mut Context::from_waker(Waker::noop()));
        ready == Poll::Ready(())
    }

    /// A waker that asks for the line, as the executor of a caller may.
    #[derive(Default)]
    struct Asks {
        patient: Patient,
        was_free: AtomicBool,
    }

    impl Wake for Asks {
        fn wake(self: Arc<Self>) {
            self.was_free.store(self.patient.line.try_lock().is_ok(), Ordering::Relaxed);
        }
    }

    #[test]
    fn a_waker_is_called_without_the_lock() {
        let asks = Arc::<Asks>::default();
        let (waiting, waker) = (asks.patient.join(10), Waker::from(asks.clone()));
        let mut woken = pin!(waiting.woken());
        assert!(woken.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        asks.patient.wake(10);
        assert!(asks.was_free.load(Ordering::Relaxed));
    }

    #[test]
    fn the_first_that_fits_is_woken_and_no_other() {
        let patient = Patient::default();
        let waiting = [50, 20, 10].map(|bytes| patient.join(bytes));
        patient.wake(40);
        assert_eq!([0, 1, 2].map(|at| is_woken(&waiting[at])), [false, true, false]);
        patient.wake(40);
        assert_eq!([0, 1, 2].map(|at| is_woken(&waiting[at])), [false, false, true], "one is awake already");
        waiting[1].listen();
        patient.wake(usize::MAX);
        assert_eq!([0, 1, 2].map(|at| is_woken(&waiting[at])), [true, false, false]);
        patient.wake(5);
        assert!(!waiting.iter().any(is_woken), "none of them fits");
    }

    #[test]
    fn one_that_was_woken_and_goes_away_passes_the_room_on() {
        let patient = Patient::default();
        let [one, other, large] = [20, 30, 90].map(|bytes| patient.join(bytes));
        patient.wake(40);
        drop(one);
        assert!(is_woken(&other) && !is_woken(&large));
        other.listen();
        drop(other);
        assert!(!is_woken(&large));
        drop(large);
        assert_eq!(patient.count(), 0);
        patient.wake(usize::MAX);
    }

    #[test]
    fn one_that_is_refused_all_the_same_passes_the_room_on_to_those_behind_it() {
        let patient = Patient::default();
        let [one, other, large] = [20, 30, 90].map(|bytes| patient.join(bytes));
        patient.wake(40);
        assert!(is_woken(&one) && one.listen());
        one.pass_on(40);
        assert_eq!([&one, &other, &large].map(is_woken), [false, true, false]);
        assert!(other.listen() && !large.listen(), "only the other one was woken");
        other.pass_on(40);
        assert_eq!([&one, &other, &large].map(is_woken), [false, false, false], "nobody behind it fits");
    }
}
