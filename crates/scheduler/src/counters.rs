//! The totals of a pool since its start. No decision reads these numbers.

/// Totals since the scheduler was created.
///
/// `accepted == resolved + queued + running` at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Number of accepted jobs.
    pub accepted: u64,
    /// Number of accepted jobs that have ended, by any verdict.
    pub resolved: u64,
    /// Number of jobs that went back to the queue because their worker died before it had received
    /// all of them.
    pub returned: u64,
    /// Number of jobs that were taken back from workers that held them ahead and had not begun
    /// them.
    pub taken_back: u64,
    /// Number of jobs that went back to the queue because their worker died with them and they had
    /// an attempt left.
    pub retried: u64,
    /// Number of answers that came too late, or to a question nobody asked.
    pub late_results: u64,
    /// Number of cancels of jobs that had ended, or never existed.
    pub late_cancels: u64,
    /// Number of other events that named a worker that no longer exists, or that it could not have
    /// been about.
    pub stale_events: u64,
    /// Number of workers started.
    pub starts: u64,
    /// Number of those starts that did not make the pool larger than it had been before.
    pub restarts: u64,
    /// Number of workers gone, for any [reason](crate::Scheduler::gone).
    pub deaths: u64,
    /// Number of workers that the pool killed.
    pub kills: u64,
    /// Number of times that the breaker opened.
    pub breaker_opened: u64,
}
