//! The callers that wait for room in the queue, and which of them is woken when there is some: the first whose input fits.
//! Does not: know the queue, or offer jobs to it.
//!
//! One is woken at a time. A job that is accepted leaves less room, and its acceptance wakes the next one that fits; a caller
//! that is woken and offers nothing, since it is out of time or dropped, passes the room on. One that is woken and not polled
//! loses its turn: further room wakes the next one, and so does time while there is room.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::task::Poll;
use tokio::sync::Notify;

/// All that wait.
#[derive(Debug, Default)]
pub(crate) struct Patient {
    /// Callers that offer a job when they are woken.
    callers: Line,
    /// Services that only ask whether there is room. They reserve none, so that they are woken beside the callers.
    services: Line,
    /// Somebody will look whether those that were woken have offered their jobs.
    is_watched: AtomicBool,
    /// The runtime of the pool no longer drives its tasks, and may no longer have a clock.
    is_closed: RwLock<bool>,
}

/// Those that wait for the same.
#[derive(Debug, Default)]
struct Line {
    /// Number of callers that wait. Read without the lock, since most of the time there is none.
    count: AtomicUsize,
    places: Mutex<Places>,
}

/// By their tickets, and so in the order of their arrival.
#[derive(Debug, Default)]
struct Places {
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
    line: &'a Line,
    ticket: u64,
    bell: Arc<Notify>,
}

impl Patient {
    /// Counts in a caller with an input of this length, as the last one.
    pub(crate) fn join(&self, bytes: usize) -> Waiting<'_> {
        self.join_line(&self.callers, bytes)
    }

    /// Counts in a service that asks for room of any size and takes none.
    #[cfg(any(test, feature = "tower"))]
    pub(crate) fn watch(&self) -> Waiting<'_> {
        self.join_line(&self.services, 0)
    }

    fn join_line<'a>(&'a self, line: &'a Line, bytes: usize) -> Waiting<'a> {
        let (ticket, bell) = line.join(bytes);
        // Who is not seen by `close` sees that it was called.
        if self.is_closed() {
            bell.notify_one();
        }
        Waiting { patient: self, line, ticket, bell }
    }

    /// Wakes the first caller whose input fits in this room and who is not awake already, and a service. Returns whether
    /// that keeps others waiting.
    pub(crate) fn wake(&self, room: usize) -> bool {
        let mut keeps = false;
        for line in self.lines() {
            // Who joins after this look offers its job after the room was made.
            let count = line.count();
            if count > 0 {
                line.wake_from(0, room);
                keeps |= count > 1;
            }
        }
        keeps
    }

    /// Wakes as many further callers that fit in this room as are awake and have offered nothing yet: those may be parts of
    /// futures that nobody polls. So all get their turn after few looks. Returns whether there were any.
    pub(crate) fn wake_further(&self, room: usize) -> bool {
        let mut any = false;
        for line in self.lines() {
            let bells = line.lock().further(room);
            any |= !bells.is_empty();
            for bell in bells {
                bell.notify_one();
            }
        }
        any
    }

    /// Returns whether the caller is the one to look whether those that were woken have offered their jobs.
    pub(crate) fn begins_watch(&self) -> bool {
        !self.is_watched.swap(true, Ordering::AcqRel)
    }

    /// Ends the watch, before the look.
    pub(crate) fn ends_watch(&self) {
        // Who begins no watch because of this one has marked its caller before.
        self.is_watched.swap(false, Ordering::AcqRel);
    }

    /// Wakes all that wait, now and later, so that nobody polls a timer of a runtime that shuts down.
    pub(crate) fn close(&self) {
        *self.is_closed.write().unwrap_or_else(PoisonError::into_inner) = true;
        for line in self.lines() {
            let bells: Vec<_> = line.lock().callers.values().map(|caller| caller.bell.clone()).collect();
            for bell in bells {
                bell.notify_one();
            }
        }
    }

    /// Returns whether nobody waits here any longer.
    pub(crate) fn is_closed(&self) -> bool {
        *self.closing()
    }

    /// Returns the number of those that wait.
    pub(crate) fn count(&self) -> usize {
        self.lines().map(Line::count).iter().sum()
    }

    const fn lines(&self) -> [&Line; 2] {
        [&self.callers, &self.services]
    }

    fn closing(&self) -> RwLockReadGuard<'_, bool> {
        self.is_closed.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn join(&self, bytes: usize) -> (u64, Arc<Notify>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let bell = Arc::<Notify>::default();
        let mut places = self.lock();
        let ticket = places.next;
        places.next += 1;
        places.callers.insert(ticket, Caller { bytes, woken: None, bell: bell.clone() });
        (ticket, bell)
    }

    fn count(&self) -> usize {
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

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Marks the first caller from this ticket on that fits in this room and that is not awake already. Returns its bell.
    fn first_from(&mut self, ticket: u64, room: usize) -> Option<Arc<Notify>> {
        let mut behind = self.callers.range_mut(ticket..);
        let (_, first) = behind.find(|(_, caller)| caller.fits(room))?;
        Some(first.ring_for(room))
    }

    /// Marks as many callers that fit in this room as are awake already. Returns their bells.
    fn further(&mut self, room: usize) -> Vec<Arc<Notify>> {
        let awake = self.callers.values().filter(|caller| caller.woken.is_some()).count();
        let fitting = self.callers.values_mut().filter(|caller| caller.fits(room));
        fitting.take(awake).map(|caller| caller.ring_for(room)).collect()
    }
}

impl Caller {
    const fn fits(&self, room: usize) -> bool {
        self.woken.is_none() && self.bytes <= room
    }

    /// Notes the room for which it is woken. Returns its bell, to be rung without the lock.
    fn ring_for(&mut self, room: usize) -> Arc<Notify> {
        self.woken = Some(room);
        self.bell.clone()
    }
}

impl Waiting<'_> {
    /// Registers it to be woken. Returns whether it was woken before, and so is about to use its slot.
    pub(crate) fn listen(&self) -> bool {
        let mut places = self.line.lock();
        places.callers.get_mut(&self.ticket).is_some_and(|caller| caller.woken.take().is_some())
    }

    /// Wakes the next caller behind this one that fits in this room. Only those behind it, so that callers which are all
    /// refused do not wake each other for ever.
    pub(crate) fn pass_on(&self, room: usize) {
        self.line.wake_from(self.ticket + 1, room);
    }

    /// Completes once it was woken since it began to listen.
    pub(crate) async fn woken(&self) {
        self.bell.notified().await;
    }

    /// Waits until it is woken, or `sleep` ends. Returns whether it was woken. `sleep` may panic when its runtime has shut
    /// down: it is polled only before [`Patient::close`], which waits for that.
    pub(crate) async fn is_woken_before(&self, sleep: impl Future<Output = ()>) -> bool {
        let (mut woken, mut sleep) = (pin!(self.woken()), pin!(sleep));
        poll_fn(|context| {
            if woken.as_mut().poll(context).is_ready() {
                return Poll::Ready(true);
            }
            let is_closed = self.patient.closing();
            if *is_closed {
                return Poll::Ready(true);
            }
            sleep.as_mut().poll(context).map(|()| false)
        })
        .await
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let left = self.line.lock().callers.remove(&self.ticket);
        self.line.count.fetch_sub(1, Ordering::Relaxed);
        if let Some(room) = left.and_then(|caller| caller.woken) {
            self.line.wake_from(0, room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Wake, Waker};

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
            self.was_free.store(self.patient.callers.places.try_lock().is_ok(), Ordering::Relaxed);
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
    fn one_that_was_woken_and_is_not_polled_loses_its_turn() {
        let patient = Patient::default();
        let waiting = [10, 90, 20, 30, 40].map(|bytes| patient.join(bytes));
        let woken = || [0, 1, 2, 3, 4].map(|at| is_woken(&waiting[at]));
        patient.wake_further(50);
        assert_eq!(woken(), [false; 5], "nobody has kept the others from the room");
        patient.wake(50);
        patient.wake_further(50);
        assert_eq!(woken(), [true, false, true, false, false], "one more that fits");
        patient.wake_further(50);
        assert_eq!(woken(), [false, false, false, true, true], "two more");
        patient.wake_further(50);
        assert_eq!(woken(), [false; 5]);
    }

    #[test]
    fn a_service_is_woken_beside_the_callers_and_takes_no_turn_of_theirs() {
        let patient = Patient::default();
        let services = [patient.watch(), patient.watch()];
        let callers = [patient.join(10), patient.join(10)];
        patient.wake(10);
        assert_eq!([&services[0], &callers[0]].map(is_woken), [true, true]);
        assert_eq!([&services[1], &callers[1]].map(is_woken), [false, false]);
        services[0].listen();
        services[0].pass_on(10);
        assert!(is_woken(&services[1]) && !is_woken(&callers[1]));
        drop((services, callers));
        assert_eq!(patient.count(), 0);
    }

    #[test]
    fn nobody_waits_where_nobody_wakes_any_longer() {
        let patient = Patient::default();
        let (early, service) = (patient.join(10), patient.watch());
        patient.close();
        let late = patient.join(10);
        assert_eq!([&early, &service, &late].map(is_woken), [true; 3]);
        let sleep = async { panic!("its clock is gone") };
        let ready = pin!(early.is_woken_before(sleep)).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(ready, Poll::Ready(true));
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
