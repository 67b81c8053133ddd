//! The knowledge of clients and workers: the part that no crash may take back.

use std::collections::BTreeMap;
use std::sync::Arc;

use procpool_protocol::{JobId, OutcomeKind};
use procpool_registry::{KeyText, Record, Time};

/// A job of which a client was told that it is accepted.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) may_repeat: bool,
    /// Number of times that its pool has had it in a way that may have run it.
    pub(super) starts: u32,
    /// A pool has it now.
    pub(super) is_handed: bool,
    /// The pool has it without a claim, and has reported no start.
    pub(super) is_lent: bool,
    /// A worker has begun it, whatever was reported.
    pub(super) has_begun: bool,
    /// The outcome that was told, and when it was decided.
    pub(super) outcome: Option<(OutcomeKind, Time, bool)>,
    /// The record as it was last committed.
    pub(super) record: Arc<Record>,
    /// The version before.
    pub(super) older: Option<Arc<Record>>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) jobs: BTreeMap<JobId, Known>,
    /// The last job that ran under a key.
    pub(super) keys: BTreeMap<KeyText, JobId>,
}

impl Model {
    /// Returns the jobs that some condition selects.
    pub(super) fn ids(&self, which: impl Fn(&Known) -> bool) -> Vec<JobId> {
        self.jobs.iter().filter(|(_, job)| which(job)).map(|(&id, _)| id).collect()
    }

    /// Returns whether a key lives.
    pub(super) fn lives(&self, key: &KeyText, keys: std::time::Duration, now: Time) -> bool {
        let job = self.keys.get(key).and_then(|job| self.jobs.get(job));
        job.is_some_and(|job| job.outcome.is_none_or(|(_, at, may_have_run)| may_have_run && now < at + keys))
    }
}
