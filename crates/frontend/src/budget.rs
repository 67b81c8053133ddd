//! Counts the bytes that the whole server may hold for its clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number of bytes that may be held at a time.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    held: AtomicU64,
}

/// Some bytes of a budget, given back on drop.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicU64::new(0) })
    }

    /// Returns a share of nothing, which can grow.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.held.load(Relaxed) >= self.limit
    }
}

impl Share {
    /// Adds `bytes` if the budget has them; says whether it has.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: u64) -> bool {
        let grown = |held: u64| held.checked_add(bytes).filter(|held| *held <= self.budget.limit);
        let has_room = self.budget.held.fetch_update(Relaxed, Relaxed, grown).is_ok();
        self.bytes += if has_room { bytes } else { 0 };
        has_room
    }

    /// Makes the share this large, beyond the budget if need be. Its owner holds itself to a limit of its own.
    pub(crate) fn set(&mut self, bytes: u64) {
        if bytes > self.bytes {
            self.budget.held.fetch_add(bytes - self.bytes, Relaxed);
        } else if bytes < self.bytes {
            self.budget.held.fetch_sub(self.bytes - bytes, Relaxed);
        }
        self.bytes = bytes;
    }

    /// Returns whether the other shares are all that there is.
    pub(crate) fn is_spent_by_others(&self) -> bool {
        self.budget.held.load(Relaxed).saturating_sub(self.bytes) >= self.budget.limit
    }

    /// Adds `bytes` beyond the budget if need be: for what is small and has to be said.
    pub(crate) fn overdraw(&mut self, bytes: u64) {
        self.budget.held.fetch_add(bytes, Relaxed);
        self.bytes += bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let budget = Budget::new(10);
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.grow(4) && one.grow(4) && !other.grow(3));
        assert!(other.grow(2) && budget.is_spent());
        assert!(!one.grow(u64::MAX));
        drop(one);
        assert!(other.grow(8) && !other.grow(1));
    }

    #[test]
    fn a_share_that_changes_is_counted_as_it_is() {
        let budget = Budget::new(10);
        let (mut one, other) = (budget.share(), budget.share());
        one.set(20);
        assert!(other.is_spent_by_others() && !one.is_spent_by_others());
        one.set(9);
        assert!(!budget.is_spent() && !other.is_spent_by_others());
        drop(one);
        assert!(budget.share().grow(10));
    }

    #[test]
    fn an_overdraft_is_counted_and_given_back() {
        let budget = Budget::new(1);
        let mut share = budget.share();
        share.overdraw(5);
        assert!(budget.is_spent() && !budget.share().grow(1));
        drop(share);
        assert!(budget.share().grow(1));
    }
}
