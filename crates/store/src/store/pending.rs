//! [`Pending`]: records that a group has changed and not yet written. One that changes twice in a group, as that of a short
//! job does, is written once.

use std::collections::HashMap;
use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_registry::Record;

#[derive(Debug, Default)]
pub(super) struct Pending {
    changes: HashMap<JobId, Change>,
    /// In the order of the first changes: rows are added in the order of their numbers.
    order: Vec<JobId>,
}

/// The change of a record.
#[derive(Debug)]
pub(super) struct Change {
    /// The record as it is written. `None` for a new one.
    pub(super) old: Option<Arc<Record>>,
    pub(super) new: Arc<Record>,
    /// The number of its pool.
    pub(super) pool: i64,
}

impl Pending {
    /// Returns the record as the group has left it.
    pub(super) fn get(&self, job: JobId) -> Option<&Arc<Record>> {
        self.changes.get(&job).map(|change| &change.new)
    }

    pub(super) fn put(&mut self, change: Change) {
        let job = change.new.id;
        if let Some(known) = self.changes.get_mut(&job) {
            known.new = change.new;
            return;
        }
        self.order.push(job);
        self.changes.insert(job, change);
    }

    /// Returns the changes in order, and forgets them.
    pub(super) fn take(&mut self) -> Vec<Change> {
        let order = std::mem::take(&mut self.order);
        order.iter().filter_map(|job| self.changes.remove(job)).collect()
    }
}
