//! [`PoolEvents`]: the events of a pool's workers, as a stream for each listener. Bounded: a slow listener
//! loses the oldest events and learns their number.
//!
//! Sent outside the pool's lock. Costs nothing while nobody listens.

use futures_core::Stream;
use procpool_protocol::status::SuspectPayload;
use procpool_protocol::{ExitReport, JobId, LimitHit};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

/// Maximum number of unread events of a listener.
const MOST_UNREAD: usize = 256;

/// An event of a pool.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PoolEvent {
    /// A worker is ready.
    Started {
        /// Its name.
        worker: String,
        /// Its process id.
        pid: u32,
    },
    /// A worker did not get ready.
    StartFailed {
        /// Its name.
        worker: String,
        /// The reason.
        error: String,
    },
    /// A worker that was ready is gone.
    Died {
        /// The job that it was running, if that has no outcome yet.
        job: Option<JobId>,
        /// The reason for which the pool had killed it or asked it to exit, a key of
        /// [`PoolStatus::deaths_by_cause`](procpool_protocol::status::PoolStatus::deaths_by_cause); `None` if
        /// it had not.
        reason: Option<&'static str>,
        /// How it ended.
        report: Arc<ExitReport>,
    },
    /// A worker died of a limit. Follows its [`Died`](Self::Died).
    LimitHit {
        /// Its name.
        worker: String,
        /// The limit.
        limit: LimitHit,
    },
    /// A payload has killed a worker once too often. The pool rejects jobs with it for a while.
    Quarantined(SuspectPayload),
    /// Starts have failed so often that the pool tries one worker at a time, and refuses jobs while no worker
    /// is there.
    BreakerOpened,
    /// Workers start again, and the breaker is closed.
    BreakerClosed,
    /// The listener was too slow and has missed some events, which would have come here.
    Missed {
        /// Number of events.
        count: u64,
    },
}

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

/// All that listen to one pool.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Whether anybody has ever listened. Read without the lock, since most of the time nobody does.
    has_listeners: AtomicBool,
    is_breaker_open: AtomicBool,
    listeners: Mutex<Vec<Weak<Queue>>>,
}

impl News {
    /// Returns a new listener, which hears events from now on.
    pub(crate) fn listen(&self) -> PoolEvents {
        let queue = Arc::<Queue>::default();
        lock(&self.listeners).push(Arc::downgrade(&queue));
        self.has_listeners.store(true, Relaxed);
        PoolEvents(queue)
    }

    pub(crate) fn tell(&self, event: impl FnOnce() -> PoolEvent) {
        if self.has_listeners.load(Relaxed) {
            let event = event();
            self.each(|queue| queue.push(event.clone()));
        }
    }

    /// Notes whether the breaker is open.
    pub(crate) fn breaker(&self, is_open: bool) {
        if self.is_breaker_open.load(Relaxed) != is_open
            && self.is_breaker_open.swap(is_open, Relaxed) != is_open
        {
            self.tell(|| if is_open { PoolEvent::BreakerOpened } else { PoolEvent::BreakerClosed });
        }
    }

    /// Ends the events: no further one follows.
    pub(crate) fn end(&self) {
        self.each(|queue| {
            queue.lock().has_ended = true;
            queue.wake();
        });
    }

    fn each(&self, to: impl Fn(&Queue)) {
        let listeners: Vec<_> = {
            let mut listeners = lock(&self.listeners);
            listeners.retain(|it| it.strong_count() > 0);
            listeners.iter().filter_map(Weak::upgrade).collect()
        };
        listeners.iter().for_each(|queue| to(queue));
    }
}

/// In a fork, a lock may be held by a thread that does not exist: those are left alone.
impl Drop for News {
    fn drop(&mut self) {
        let listeners = std::mem::take(self.listeners.get_mut().unwrap_or_else(PoisonError::into_inner));
        for queue in listeners.iter().filter_map(Weak::upgrade) {
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
    fn push(&self, event: PoolEvent) {
        let mut unread = self.lock();
        if unread.events.len() == MOST_UNREAD {
            unread.events.pop_front();
            unread.missed += 1;
        }
        unread.events.push_back(event);
        drop(unread);
        self.wake();
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
    async fn a_breaker_is_told_when_it_changes() {
        let news = News::default();
        let mut events = news.listen();
        for is_open in [false, true, true, false] {
            news.breaker(is_open);
        }
        news.end();
        assert!(matches!(events.next().await, Some(PoolEvent::BreakerOpened)));
        assert!(matches!(events.next().await, Some(PoolEvent::BreakerClosed)));
        assert!(events.next().await.is_none());
    }
}
