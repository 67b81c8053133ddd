//! What one connection has been doing: a few counters that its socket and its requests write and its
//! driver reads. Knows no sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counters of one connection. Relaxed throughout: they are read by a timer, nothing hangs on order.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    requests: AtomicU64,
    in_flight: AtomicU64,
    writes: AtomicU64,
    http2: AtomicBool,
    leaves_unread: AtomicBool,
}

/// A reading of the counters, to be compared with a later one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    requests: u64,
    in_flight: u64,
    writes: u64,
}

impl Activity {
    /// Counts a request, in flight until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>, version: http::Version) -> InFlight {
        self.requests.fetch_add(1, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        self.http2.store(version == http::Version::HTTP_2, Relaxed);
        InFlight(self.clone())
    }

    /// Counts a write that made progress.
    pub(crate) fn wrote(&self) {
        self.writes.fetch_add(1, Relaxed);
    }

    pub(crate) fn leaves_unread(&self) -> bool {
        self.leaves_unread.load(Relaxed)
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Relaxed)
    }

    /// Whether a client that speaks HTTP/1 waits for an answer of which nothing was written yet.
    pub(crate) fn owes_http_1_answer(&self) -> bool {
        !self.is_http2() && self.in_flight.load(Relaxed) > 0
    }

    pub(crate) fn read(&self) -> Reading {
        Reading {
            requests: self.requests.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            writes: self.writes.load(Relaxed),
        }
    }
}

impl Reading {
    pub(crate) fn never_asked(self) -> bool {
        self.requests == 0
    }

    /// Whether nothing happened between `before` and this reading, and nothing is happening.
    pub(crate) fn is_idle_since(self, before: Self) -> bool {
        self.in_flight == 0 && self == before
    }
}

/// A request that has not been answered yet.
pub(crate) struct InFlight(Arc<Activity>);

impl InFlight {
    /// Notes whether the answer may leave while the request's body is still arriving.
    pub(crate) fn leave_unread(&self, unread: bool) {
        self.0.leaves_unread.store(unread, Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_idle_only_when_nothing_ran_since_and_nothing_runs() {
        let activity = Arc::new(Activity::default());
        assert!(activity.read().never_asked());
        let before = activity.read();
        assert!(activity.read().is_idle_since(before));

        let running = activity.begin(http::Version::HTTP_2);
        let during = activity.read();
        assert!(!during.is_idle_since(before));
        assert!(!activity.read().is_idle_since(during), "one is in flight");
        drop(running);
        let after = activity.read();
        assert!(!after.is_idle_since(before), "one was in flight in between");
        assert!(activity.read().is_idle_since(after));
        activity.wrote();
        assert!(!activity.read().is_idle_since(after));
    }
}
