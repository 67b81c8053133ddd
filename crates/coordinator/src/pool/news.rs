//! [`PoolEvents`]: the events of a pool, as a stream for each listener. Bounded: a slow listener
//! loses the oldest events and learns their number.
//!
//! Sent outside the pool's lock. Costs nothing while nobody listens.

use super::event::{JobTotals, PoolEvent};
use futures_core::Stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

/// Maximum number of unread events of a listener.
const MOST_UNREAD: usize = 256;

/// The events of a pool from now on, as a [`Stream`]. It ends with the pool.
///
/// Holds up to 256 events. Beyond that, the oldest are dropped, and [`PoolEvent::Missed`] says how many.
#[derive(Debug)]
pub struct PoolEvents(Arc<Queue>);

impl PoolEvents {
    /// Returns the events of a pool of which nothing is heard any longer.
    pub(crate) fn none() -> Self {
        Self(Arc::new(Queue(Mutex::new(Unread { has_ended: true, ..Unread::default() }))))
    }

    /// Returns the next event, or `None` when the pool has ended. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<PoolEvent> {
        std::future::poll_fn(|cx| self.0.poll(cx)).await
    }
}

impl Stream for PoolEvents {
    type Item = PoolEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PoolEvent>> {
        self.0.poll(cx)
    }
}

/// Number of listeners up to which nobody looks for those that are gone.
const FEW: usize = 16;

/// All that listen to one pool.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Whether anybody has ever listened. Read without the lock, since most of the time nobody does.
    has_listeners: AtomicBool,
    /// The newest turn of the breaker that was told. Changes under the lock of the listeners, so that all hear the turns in order.
    breaker_turn: AtomicU64,
    listeners: Mutex<Listeners>,
}

#[derive(Debug, Default)]
struct Listeners {
    queues: Vec<Weak<Queue>>,
    /// Number of those that lived at the last look.
    lived: usize,
    /// The last that they heard of jobs.
    jobs: JobTotals,
    /// The pool has ended, and no further event follows.
    has_ended: bool,
}

impl Listeners {
    /// Adds a listener. Looks for those that are gone whenever the list has doubled: a quiet pool has no other occasion.
    fn add(&mut self, queue: &Arc<Queue>) {
        if self.queues.len() >= FEW.max(2 * self.lived) {
            self.queues.retain(|it| it.strong_count() > 0);
            self.lived = self.queues.len();
        }
        self.queues.push(Arc::downgrade(queue));
    }

    fn live(&mut self) -> Vec<Arc<Queue>> {
        self.queues.retain(|it| it.strong_count() > 0);
        self.lived = self.queues.len();
        self.queues.iter().filter_map(Weak::upgrade).collect()
    }
}

impl News {
    /// Returns a new listener, which hears events from now on.
    pub(crate) fn listen(&self) -> PoolEvents {
        let queue = Arc::<Queue>::default();
        let mut listeners = lock(&self.listeners);
        if listeners.has_ended {
            return PoolEvents::none();
        }
        listeners.add(&queue);
        drop(listeners);
        self.has_listeners.store(true, Relaxed);
        PoolEvents(queue)
    }

    /// Returns whether anybody has ever listened.
    pub(crate) fn is_heard(&self) -> bool {
        self.has_listeners.load(Relaxed)
    }

    /// Tells how many jobs have ended, unless that is known.
    pub(crate) fn jobs(&self, totals: JobTotals) {
        let mut listeners = lock(&self.listeners);
        let is_known = listeners.jobs == totals;
        listeners.jobs.clone_from(&totals);
        drop(listeners);
        if !is_known {
            self.tell(|| PoolEvent::Jobs(totals));
        }
    }

    pub(crate) fn tell(&self, event: impl FnOnce() -> PoolEvent) {
        if self.has_listeners.load(Relaxed) {
            let event = event();
            let queues = lock(&self.listeners).live();
            for queue in queues {
                queue.push(event.clone());
                queue.wake();
            }
        }
    }

    /// Notes the turn of the breaker, odd while it is open. Threads may come here in another order than that in which the
    /// breaker turned: the first one tells all turns up to its own, and an older turn is no news.
    pub(crate) fn breaker(&self, turn: u64) {
        if self.breaker_turn.load(Relaxed) < turn {
            self.breaker_turned(turn);
        }
    }

    #[cold]
    fn breaker_turned(&self, turn: u64) {
        let mut listeners = lock(&self.listeners);
        let told = self.breaker_turn.fetch_max(turn, Relaxed);
        let queues = if told < turn { listeners.live() } else { Vec::new() };
        for is_open in (told + 1..=turn).map(|turn| turn % 2 == 1) {
            let event = if is_open { PoolEvent::BreakerOpened } else { PoolEvent::BreakerClosed };
            queues.iter().for_each(|queue| queue.push(event.clone()));
        }
        drop(listeners);
        queues.iter().for_each(|queue| queue.wake());
    }

    /// Ends the events: no further one follows.
    pub(crate) fn end(&self) {
        let mut listeners = lock(&self.listeners);
        listeners.has_ended = true;
        let queues = listeners.live();
        drop(listeners);
        for queue in queues {
            queue.lock().has_ended = true;
            queue.wake();
        }
    }
}

/// In a fork, a lock may be held by a thread that does not exist: those are left alone.
impl Drop for News {
    fn drop(&mut self) {
        let listeners = std::mem::take(self.listeners.get_mut().unwrap_or_else(PoisonError::into_inner));
        for queue in listeners.queues.iter().filter_map(Weak::upgrade) {
            let waker = queue.0.try_lock().ok().and_then(|mut unread| {
                unread.has_ended = true;
                unread.waker.take()
            });
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

#[derive(Debug, Default)]
struct Queue(Mutex<Unread>);

#[derive(Debug, Default)]
struct Unread {
    events: VecDeque<PoolEvent>,
    missed: u64,
    has_ended: bool,
    waker: Option<Waker>,
}

impl Queue {
    /// Adds an event. Wakes nobody yet.
    fn push(&self, event: PoolEvent) {
        let mut unread = self.lock();
        if unread.events.len() == MOST_UNREAD {
            unread.events.pop_front();
            unread.missed += 1;
        }
        unread.events.push_back(event);
    }

    /// Wakes the listeners. Outside the lock: a waker is somebody else's code.
    fn wake(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<PoolEvent>> {
        let mut unread = self.lock();
        let count = std::mem::take(&mut unread.missed);
        if count > 0 {
            return Poll::Ready(Some(PoolEvent::Missed { count }));
        }
        match unread.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if unread.has_ended => Poll::Ready(None),
            None => {
                unread.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Unread> {
        lock(&self.0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::OutcomeKind;
    use std::collections::BTreeMap;

    fn started(pid: usize) -> PoolEvent {
        PoolEvent::Started { worker: String::new(), pid: u32::try_from(pid).unwrap() }
    }

    #[tokio::test]
    async fn a_listener_that_is_too_slow_is_told_how_many_it_has_missed_and_gets_the_newest() {
        let news = News::default();
        news.tell(|| unreachable!("nobody listens"));
        let mut events = news.listen();
        (0..MOST_UNREAD + 3).for_each(|pid| news.tell(|| started(pid)));
        assert!(matches!(events.next().await, Some(PoolEvent::Missed { count: 3 })));
        assert!(matches!(events.next().await, Some(PoolEvent::Started { pid: 3, .. })));
        drop(news);
        let mut left = 0;
        while events.next().await.is_some() {
            left += 1;
        }
        assert_eq!(left, MOST_UNREAD - 1);
    }

    #[tokio::test]
    async fn the_turns_of_a_breaker_are_told_in_their_order_and_once() {
        let news = News::default();
        let mut events = news.listen();
        // The first thread to come may be the last that had the lock.
        for turn in [0, 2, 1, 2, 3, 3] {
            news.breaker(turn);
        }
        news.end();
        assert!(matches!(events.next().await, Some(PoolEvent::BreakerOpened)));
        assert!(matches!(events.next().await, Some(PoolEvent::BreakerClosed)));
        assert!(matches!(events.next().await, Some(PoolEvent::BreakerOpened)));
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn totals_of_jobs_are_told_when_they_change_and_not_again() {
        let news = News::default();
        let mut events = news.listen();
        let totals = |ok| JobTotals::new(BTreeMap::from([(OutcomeKind::Ok, ok)]), BTreeMap::new());
        for ok in [1, 1, 2, 2] {
            news.jobs(totals(ok));
        }
        news.end();
        for ok in [1, 2] {
            assert!(matches!(events.next().await, Some(PoolEvent::Jobs(told)) if told == totals(ok)));
        }
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn one_that_listens_after_the_end_does_not_wait() {
        let news = News::default();
        news.end();
        assert!(news.listen().next().await.is_none());
    }

    #[test]
    fn listeners_that_are_gone_are_forgotten_though_nothing_happens() {
        let news = News::default();
        let stays: Vec<_> = (0..FEW).map(|_| news.listen()).collect();
        (0..1000).for_each(|_| drop(news.listen()));
        let kept = lock(&news.listeners).queues.len();
        assert!(kept <= 2 * stays.len() + 1, "{kept}");
    }
}
