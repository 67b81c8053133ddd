//! The flag by which a job learns that its caller no longer waits for the outcome.

use procpool_protocol::Cancelled;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Tells whether one job must stop: its caller cancelled it, or its deadline has passed.
///
/// Only the coordinator decides that, and sets the flag for either reason. A worker that used its own clock
/// could stop a moment before the deadline and turn a timeout into a cancel.
///
/// For threads that a job starts; the job itself asks its [`Context`](crate::Context). The flag may outlive
/// its job, and then has no relation to any other job. Each check costs an atomic load.
///
/// ```
/// # use procpool_worker::{CancelFlag, Cancelled};
/// /// Runs on a thread of its own, which the job started with a clone of its flag.
/// fn collatz(mut n: u64, flag: &CancelFlag) -> Result<u64, Cancelled> {
///     let mut steps = 0;
///     while n != 1 {
///         flag.check()?;
///         n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
///         steps += 1;
///     }
///     Ok(steps)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CancelFlag {
    raised: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl CancelFlag {
    pub(crate) fn until(deadline: Option<Instant>) -> Self {
        Self { raised: Arc::default(), deadline }
    }

    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::Release);
    }

    /// Returns the remaining time until the deadline, zero once it has passed. Returns `None` if
    /// there is no deadline.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Returns whether the coordinator has asked the job to stop, for either reason.
    pub fn is_cancelled(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// Checks [`is_cancelled`](Self::is_cancelled), for use with `?`.
    ///
    /// # Errors
    /// Returns [`Cancelled`] when the job must stop.
    pub fn check(&self) -> Result<(), Cancelled> {
        match self.is_cancelled() {
            true => Err(Cancelled),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_flag_is_seen_by_its_clones() {
        let flag = CancelFlag::until(None);
        let clone = flag.clone();
        assert_eq!(clone.check(), Ok(()));
        flag.raise();
        assert_eq!(clone.check(), Err(Cancelled));
    }

    #[test]
    fn a_passed_deadline_is_the_coordinators_to_declare() {
        let flag = CancelFlag::until(Some(Instant::now()));
        assert_eq!(flag.remaining(), Some(Duration::ZERO));
        assert!(!flag.is_cancelled());
    }
}
