//! [`Places`]: where one record is in the indexes. A function of the record alone.

use std::sync::Arc;

use procpool_protocol::JobId;

use crate::key::Key;
use crate::record::Record;
use crate::time::Time;

/// Where a record is in the indexes, and where not.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) key: Option<(Arc<Key>, JobId)>,
    pub(super) expiry: Option<(Time, u64, JobId)>,
    pub(super) spare_record: Option<(Time, u64, JobId)>,
    pub(super) spare_dead: Option<(Time, u64, JobId)>,
    pub(super) spare_result: Option<(bool, Time, u64, JobId)>,
    pub(super) spare_input: Option<(Time, u64, JobId)>,
}

impl Places {
    pub(super) fn of(record: &Record) -> Self {
        let (seq, id) = (record.seq, record.id);
        let since = |time: Time| (time, seq, id);
        let is_protected = record.is_protected();
        let finished = record.finished;
        Self {
            key: record.claim.as_ref().map(|claim| (claim.key.clone(), id)),
            expiry: record.next_expiry().map(since),
            spare_record: finished.filter(|_| !is_protected).map(since),
            spare_dead: finished.filter(|_| record.is_spare_dead()).map(since),
            spare_result: finished
                .filter(|_| record.result.is_held())
                .map(|time| (is_protected, time, seq, id)),
            spare_input: finished.filter(|_| record.input.is_held()).map(since),
        }
    }
}
