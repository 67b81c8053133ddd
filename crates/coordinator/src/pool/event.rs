//! [`PoolEvent`]: what happens to a pool, as its listeners hear it. Does not: tell it.

use procpool_protocol::engine::{PoolSettings, ReloadError};
use procpool_protocol::status::SuspectPayload;
use procpool_protocol::{ExitReport, JobId, LimitHit, OutcomeKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An event of a pool.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PoolEvent {
    /// The pool starts a worker. [`Started`](Self::Started) or [`StartFailed`](Self::StartFailed) follows, unless the
    /// pool gives the start up.
    #[non_exhaustive]
    Starting {
        /// Its name.
        worker: String,
    },
    /// A worker is ready.
    #[non_exhaustive]
    Started {
        /// Its name.
        worker: String,
        /// Its process id.
        pid: u32,
    },
    /// A worker did not get ready. A start that the pool itself gave up is no failed one.
    #[non_exhaustive]
    StartFailed {
        /// Its name.
        worker: String,
        /// The reason.
        error: String,
    },
    /// A worker that was ready is gone.
    #[non_exhaustive]
    Died {
        /// The job that it was running, if that has no outcome yet.
        job: Option<JobId>,
        /// The reason for which the pool had killed it or asked it to exit, a key of
        /// [`PoolStatus::deaths_by_cause`](procpool_protocol::status::PoolStatus::deaths_by_cause); `None` if
        /// it had not.
        reason: Option<&'static str>,
        /// How it ended.
        report: Arc<ExitReport>,
    },
    /// A worker died of a limit. Follows its [`Died`](Self::Died).
    #[non_exhaustive]
    LimitHit {
        /// Its name.
        worker: String,
        /// The limit.
        limit: LimitHit,
    },
    /// A payload has killed a worker once too often. The pool rejects jobs with it for a while.
    Quarantined(SuspectPayload),
    /// Starts have failed so often that the pool tries one worker at a time, and refuses jobs while no worker
    /// is there.
    BreakerOpened,
    /// Workers start again, and the breaker is closed.
    BreakerClosed,
    /// Jobs have ended, or were refused. Told at most once a second while something changes, and once more at the pool's
    /// end.
    Jobs(JobTotals),
    /// All workers are of another generation of the executable.
    #[non_exhaustive]
    Reloaded {
        /// The generation.
        generation: u64,
    },
    /// A reload has changed nothing.
    #[non_exhaustive]
    ReloadFailed {
        /// The name of the reason, as [`ReloadError::name`](procpool_protocol::engine::ReloadError::name) returns it.
        reason: &'static str,
        /// The reason.
        error: String,
    },
    /// Settings have changed; these are all of them.
    Reconfigured(PoolSettings),
    /// The pool begins no jobs until it is resumed.
    Paused,
    /// The pool refuses jobs until it is resumed.
    Draining,
    /// The pool accepts and begins jobs again.
    Resumed,
    /// The listener was too slow and has missed some events, which would have come here.
    #[non_exhaustive]
    Missed {
        /// Number of events.
        count: u64,
    },
}

impl PoolEvent {
    /// Returns the event of a reload that ends like this.
    pub(crate) fn reload_failed(error: &ReloadError) -> Self {
        Self::ReloadFailed { reason: error.name(), error: error.to_string() }
    }
}

/// Numbers of jobs since the pool's start, so that a listener that misses some loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobTotals {
    /// By outcome, refused ones included. All outcomes are listed.
    pub outcomes: BTreeMap<OutcomeKind, u64>,
    /// Refused jobs by [reason](procpool_protocol::outcome::Refusal::name). All reasons are listed.
    pub refusals: BTreeMap<&'static str, u64>,
}

impl JobTotals {
    pub(crate) fn new(outcomes: BTreeMap<OutcomeKind, u64>, refusals: BTreeMap<&'static str, u64>) -> Self {
        Self { outcomes, refusals }
    }
}
