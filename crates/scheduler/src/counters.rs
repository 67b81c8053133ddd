//! The totals of a pool since its start. No decision depends on these numbers.

/// Totals since the scheduler was created.
///
/// At any time, `accepted == resolved + queued + running`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Number of accepted jobs.
    pub accepted: u64,
    /// Number of accepted jobs that have ended, with any verdict.
    pub resolved: u64,
    /// Number of jobs that returned to the queue because their worker died before it had received
    /// all of them.
    pub returned: u64,
    /// Number of jobs that the pool took back from workers that held them ahead and had not begun
    /// them.
    pub taken_back: u64,
    /// Number of jobs that returned to the queue because their worker died while it had them and
    /// they had an attempt left.
    pub retried: u64,
    /// Number of answers that came too late, or that no assignment had asked for.
    pub late_results: u64,
    /// Number of cancellations of jobs that had ended or never existed.
    pub late_cancels: u64,
    /// Number of other events about a worker that no longer exists, or to which the event cannot
    /// apply.
    pub stale_events: u64,
    /// Number of workers started.
    pub starts: u64,
    /// Number of these starts that did not raise the pool above its previous peak.
    pub restarts: u64,
    /// Number of workers that got ready.
    pub ready: u64,
    /// Number of workers gone, for any [cause](crate::Scheduler::gone).
    pub deaths: u64,
    /// Number of workers that the pool killed.
    pub kills: u64,
    /// Number of times the breaker opened.
    pub breaker_opened: u64,
}
