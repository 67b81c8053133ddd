//! A connection's [`Life`], shared by its socket, its requests and the task that drives it.

use crate::budget::Share;
use crate::life::{Life, Patience, Sending, Verdict};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::sleep_until;

#[derive(Debug)]
pub(crate) struct Activity {
    life: Mutex<Life>,
    /// The tasks of HTTP/2 streams whose answers are not taken yet.
    tasks: Mutex<BTreeMap<u64, AbortHandle>>,
    /// The request that was begun last and has no task yet.
    newest: Mutex<Option<u64>>,
    /// Told when the driver should look again.
    stirred: Notify,
    leaves_unread: AtomicBool,
    /// The first request whose head may tell two lengths of its body.
    first_ambiguous: AtomicU64,
}

impl Activity {
    pub(crate) fn begin() -> Arc<Self> {
        Arc::new(Self {
            life: Mutex::new(Life::new(Instant::now())),
            tasks: Mutex::default(),
            newest: Mutex::default(),
            stirred: Notify::new(),
            leaves_unread: AtomicBool::new(false),
            first_ambiguous: AtomicU64::new(u64::MAX),
        })
    }

    /// Returns the connection's state. The lock is held for a few instructions, never across I/O.
    pub(crate) fn life(&self) -> MutexGuard<'_, Life> {
        lock(&self.life)
    }

    /// Notes bytes from the client that hold the first request so far whose head tells two lengths of its
    /// body. Called by the task that reads.
    pub(crate) fn received(&self, ambiguous: Option<u64>) {
        if let Some(first) = ambiguous {
            self.first_ambiguous.store(first, Relaxed);
        }
        self.life().received(Instant::now());
    }

    /// Counts a request, which lasts until the exchange and all of its clones are dropped.
    pub(crate) fn asked(self: &Arc<Self>, version: http::Version) -> Arc<Exchange> {
        let is_http2 = version == http::Version::HTTP_2;
        let number = self.life().asked(is_http2);
        if is_http2 {
            *lock(&self.newest) = Some(number);
        }
        Arc::new(Exchange { activity: self.clone(), number, held: OnceLock::new() })
    }

    /// Notes the task of the stream that was begun last, unless its exchange is over already.
    pub(crate) fn runs_as(&self, task: AbortHandle) {
        let Some(number) = lock(&self.newest).take() else {
            return;
        };
        let mut tasks = lock(&self.tasks);
        if self.life().has_exchange(number) {
            tasks.insert(number, task);
        }
    }

    /// Returns the driver's verdict on the connection, as soon as there is one other than to stay.
    pub(crate) async fn verdict(&self, patience: &Patience) -> Verdict {
        let shortest = patience.head.min(patience.write).min(patience.idle);
        loop {
            let now = Instant::now();
            let until = match self.life().verdict(now, patience) {
                // Exchanges that begin from now on end no earlier than the shortest patience.
                Verdict::Stay(until) => until.min(now + shortest),
                other => return other,
            };
            tokio::select! {
                () = sleep_until(until.into()) => {}
                () = self.stirred.notified() => {}
            }
        }
    }

    /// Ends the tasks of these streams.
    pub(crate) fn abort(&self, exchanges: &[u64]) {
        let tasks = lock(&self.tasks);
        let late: Vec<_> = exchanges.iter().filter_map(|number| tasks.get(number)).cloned().collect();
        drop(tasks);
        late.iter().for_each(AbortHandle::abort);
    }

    pub(crate) fn leaves_unread(&self) -> bool {
        self.leaves_unread.load(Relaxed)
    }
}

/// A request and its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    activity: Arc<Activity>,
    number: u64,
    /// The part of the server's budget that its answer takes.
    held: OnceLock<Share>,
}

impl Exchange {
    /// Returns whether its head tells the length of its body in two ways, or one before it may have done so.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.activity.first_ambiguous.load(Relaxed) <= self.number
    }

    /// Notes that the answer is there, its size, and whether it may leave while the request's body is still
    /// arriving.
    pub(crate) fn answered(&self, held: Share, leaves_unread: bool, sending: Sending) {
        let _ = self.held.set(held);
        self.activity.leaves_unread.store(leaves_unread, Relaxed);
        self.activity.life().answered(self.number, sending, Instant::now());
    }

    /// Notes that the next piece of a live answer is not there yet.
    pub(crate) fn waits(&self) {
        self.activity.life().waits(self.number);
    }

    /// Notes that this number of bytes of a live answer is handed to HTTP.
    pub(crate) fn handed(&self, bytes: u64) {
        self.activity.life().handed(self.number, bytes, Instant::now());
    }

    /// Notes that all of a live answer is handed to HTTP.
    pub(crate) fn whole(&self) {
        self.activity.life().whole(self.number);
    }

    /// Notes that the client took this number of bytes of the answer.
    pub(crate) fn took(&self, bytes: u64) {
        self.activity.life().took(self.number, bytes, Instant::now());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut life = self.activity.life();
        life.ended(self.number, Instant::now());
        let is_too_cancelling = life.is_too_cancelling();
        drop(life);
        lock(&self.activity.tasks).remove(&self.number);
        if is_too_cancelling {
            self.activity.stirred.notify_one();
        }
    }
}

/// Locks, even after a panic. No code panics while it holds one of these locks; if it did, a counter would be
/// off by one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
