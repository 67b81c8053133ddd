//! Jobs that a worker may have begun although their records say that they wait.
//!
//! A job that may be repeated is handed to its pool without a claim: its start is reported a moment later. If it ends
//! before that, because a client cancels it or its time is up, its outcome must not say that it certainly did not run.

use std::collections::HashSet;
use std::sync::Arc;

use procpool_protocol::JobId;

use super::Registry;
use crate::durable::Durable;
use crate::event::Event;
use crate::record::{Record, State};
use crate::storage::Storage;

/// The jobs of which that may be so.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Jobs that pools have without a claim.
    lent: HashSet<JobId>,
    /// The pools that get their jobs so.
    repeatable: HashSet<Arc<str>>,
    /// Another process may have lent jobs up to this number.
    earlier: u64,
}

impl Doubt {
    /// Returns a doubt about every job of an earlier process.
    pub(super) fn up_to(earlier: u64) -> Self {
        Self { earlier, ..Self::default() }
    }

    fn is_about(&self, record: &Record) -> bool {
        let waits = matches!(record.state, State::Accepted | State::Queued) && record.due.is_none();
        let was_lent = || record.seq <= self.earlier && self.repeatable.contains(&record.pool);
        waits && (self.lent.contains(&record.id) || was_lent())
    }
}

impl<S: Durable> Registry<S> {
    /// Notes the pools whose jobs are [lent](Self::lend). Replaces those before.
    pub fn set_repeatable<N: Into<Arc<str>>>(&mut self, pools: impl IntoIterator<Item = N>) {
        self.doubt.repeatable = pools.into_iter().map(Into::into).collect();
    }

    /// Notes that a pool gets the job without [`Event::Claimed`], so that a worker may begin it before
    /// [`Event::Started`] says so. The number of these jobs is bounded by what pools hold. No storage keeps the note.
    pub fn lend(&mut self, job: JobId) {
        self.doubt.lent.insert(job);
    }

    /// Notes that its pool no longer has the job, and that what it did with it is durable.
    pub fn take_back(&mut self, job: JobId) {
        self.doubt.lent.remove(&job);
    }
}

impl<S: Storage> Registry<S> {
    /// Counts an attempt of a job that is about to end while it waits, if a worker may have begun it. Returns its record.
    pub(super) fn resolve_doubt(&mut self, record: Arc<Record>) -> Arc<Record> {
        if !self.doubt.is_about(&record) {
            return record;
        }
        self.handle(self.now, record.id, Event::claimed(record.attempt + 1));
        self.storage.get(record.id).unwrap_or(record)
    }
}
