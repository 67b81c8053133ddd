//! The task that lets records expire, and the [`Alarm`] that wakes it.

use crate::local::Inner;
use procpool_registry::Time;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Notify;

/// When something expires next.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    next: Mutex<Option<Time>>,
    rings: Notify,
}

impl Alarm {
    /// Sets the time. Returns whether it is sooner than before, so that [`ring`](Self::ring) has to follow.
    pub(crate) fn set(&self, time: Option<Time>) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *next, time);
        time.is_some_and(|time| before.is_none_or(|before| time < before))
    }

    pub(crate) fn ring(&self) {
        self.rings.notify_one();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.alarm().ring();
    }
}

/// Lets records expire until nobody has the registry any longer.
pub(crate) async fn run(inner: Weak<Inner>, alarm: Arc<Alarm>) {
    loop {
        let Some(next) = inner.upgrade().map(|inner| inner.tick().map(|next| inner.clock().until(next)))
        else {
            return;
        };
        match next {
            None => alarm.rings.notified().await,
            Some(left) => {
                let _ = tokio::time::timeout(left, alarm.rings.notified()).await;
            }
        }
    }
}
