//! What a pool has seen since its birth. Refuses to decide anything: no decision reads these numbers.

/// Totals since the scheduler was made.
///
/// `accepted == resolved + queued + running` at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Jobs taken on.
    pub accepted: u64,
    /// Accepted jobs that have ended, by whatever verdict.
    pub resolved: u64,
    /// Jobs that went back to the queue because their worker died before it had got all of them.
    pub returned: u64,
    /// Jobs that were taken back from workers which had them ahead and had not begun them.
    pub taken_back: u64,
    /// Jobs that went back to the queue because their worker died with them and they had an attempt left.
    pub retried: u64,
    /// Answers that came too late, or to a question nobody asked.
    pub late_results: u64,
    /// Cancels of jobs that had ended, or never were.
    pub late_cancels: u64,
    /// Any other event that named a worker that no longer exists, or which it could not have been
    /// about.
    pub stale_events: u64,
    /// Workers started.
    pub starts: u64,
    /// Those of the starts that did not make the pool larger than it had been before.
    pub restarts: u64,
    /// Workers gone, for whatever [reason](crate::Scheduler::gone).
    pub deaths: u64,
    /// Workers that were to be killed.
    pub kills: u64,
    /// Times that the breaker opened.
    pub breaker_opened: u64,
}
