//! [`Pending`]: records that a group has changed, and inputs and results, which are not written yet. One that changes twice
//! in a group, as that of a short job does, is written once.

use std::mem;
use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_registry::Record;
use rustc_hash::FxHashMap;

use crate::place::Kind;

#[derive(Debug, Default)]
pub(super) struct Pending {
    /// In the order of the first changes: rows are added in the order of their numbers.
    changes: Vec<Change>,
    /// The places of the changes.
    places: FxHashMap<JobId, usize>,
    bodies: Vec<Body>,
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

/// An input or a result.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) kind: Kind,
    /// The number of its record.
    pub(super) seq: i64,
    pub(super) length: i64,
    /// `None` if it is a file.
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) crc: u32,
}

impl Pending {
    /// Returns the record as the group has left it.
    pub(super) fn get(&self, job: JobId) -> Option<&Arc<Record>> {
        self.places.get(&job).map(|&place| &self.changes[place].new)
    }

    /// Adds a change. Returns whether it is the first of this record.
    pub(super) fn put(&mut self, change: Change) -> bool {
        let job = change.new.id;
        if let Some(&place) = self.places.get(&job) {
            self.changes[place].new = change.new;
            return false;
        }
        self.places.insert(job, self.changes.len());
        self.changes.push(change);
        true
    }

    pub(super) fn put_body(&mut self, body: Body) {
        self.bodies.push(body);
    }

    /// Returns everything in order, and forgets it.
    pub(super) fn take(&mut self) -> (Vec<Change>, Vec<Body>) {
        self.places.clear();
        (mem::take(&mut self.changes), mem::take(&mut self.bodies))
    }
}
