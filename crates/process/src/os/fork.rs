//! Detects whether this process is a fork of the one that created a value.
//!
//! A forked child has copies of this crate's values, which refer to the same objects as its parent's. For
//! example, killing a worker by its pidfd would kill the parent's worker. The child has none of the parent's
//! threads.
#![allow(unsafe_code)]

use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Number of forks between the first process of this program and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// The process in which a value was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home(u64);

impl Home {
    /// Returns this process.
    pub fn here() -> Self {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            // SAFETY: the handler only adds to an atomic, which a child of a process with threads may do. The
            // result reports a lack of memory. Forks are then unnoticed, as in other programs.
            unsafe { libc::pthread_atfork(None, None, Some(count)) };
        });
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Returns whether this process is that one, and not a fork of it. Costs one load.
    pub fn is_here(self) -> bool {
        self.0 == FORKS.load(Ordering::Relaxed)
    }
}

extern "C" fn count() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// A value of which each process has its own. A forked child creates another one, and never touches a value
/// that its parent's threads may have left locked.
#[derive(Debug)]
pub(crate) struct PerProcess<T>(AtomicPtr<(Home, T)>);

impl<T: Sync + 'static> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// Returns this process's value, which `make` creates if there is none yet. It is never dropped.
    pub(crate) fn get(&self, make: impl FnOnce() -> T) -> &'static T {
        let here = Home::here();
        let found = self.0.load(Ordering::Acquire);
        // SAFETY: the pointer is null, or of a box that was leaked below and is never freed or changed.
        if let Some((home, value)) = unsafe { found.as_ref() }
            && *home == here
        {
            return value;
        }
        let made = Box::into_raw(Box::new((here, make())));
        let first = self.0.compare_exchange(found, made, Ordering::AcqRel, Ordering::Acquire);
        let current = first.map_or_else(
            |other| {
                // SAFETY: `made` came from a box just now, and no other thread has seen it.
                drop(unsafe { Box::from_raw(made) });
                other
            },
            |_| made,
        );
        // SAFETY: the pointer is of a box that was leaked here, by this or another thread.
        let (_, value) = unsafe { &*current };
        value
    }
}
