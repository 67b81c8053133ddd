//! [`Gate`]: stops a thread while a test holds it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Open, unless somebody holds it.
#[derive(Debug, Default)]
pub(super) struct Gate {
    holders: Mutex<usize>,
    opened: Condvar,
}

/// Holds a gate until it is dropped.
pub(super) struct Stall(Arc<Gate>);

impl Stall {
    pub(super) fn of(gate: &Arc<Gate>) -> Self {
        *gate.lock() += 1;
        Self(gate.clone())
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.opened.notify_all();
    }
}

impl Gate {
    /// Waits until nobody holds it.
    pub(super) fn pass(&self) {
        drop(self.opened.wait_while(self.lock(), |holders| *holders > 0));
    }

    pub(super) fn is_held(&self) -> bool {
        *self.lock() > 0
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
