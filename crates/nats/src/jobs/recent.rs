//! [`Recent`]: the jobs that a front has accepted, for its lists. Bounded: the oldest make room.

use procpool_protocol::JobId;
use procpool_protocol::engine::Priority;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Maximum number of jobs. Each needs about 200 bytes.
const MOST: usize = 100_000;

/// A job, as far as its front knows it without a look.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) pool: Arc<str>,
    /// Its number in order of acceptance here, from 1.
    pub(super) seq: u64,
    pub(super) priority: Priority,
    pub(super) principal: Option<Arc<str>>,
    pub(super) rerun_of: Option<JobId>,
}

#[derive(Debug, Default)]
pub(super) struct Recent {
    rows: HashMap<JobId, Row>,
    order: BTreeMap<u64, JobId>,
    last: u64,
}

impl Recent {
    /// Takes a job, and returns its row with a number.
    pub(super) fn remember(&mut self, id: JobId, row: Row) -> Row {
        self.last += 1;
        let row = Row { seq: self.last, ..row };
        self.rows.insert(id, row.clone());
        self.order.insert(row.seq, id);
        if self.order.len() > MOST
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.rows.remove(&oldest);
        }
        row
    }

    pub(super) fn row(&self, id: JobId) -> Option<Row> {
        self.rows.get(&id).cloned()
    }

    /// Returns up to `count` jobs with a number below this one, the newest first.
    pub(super) fn below(&self, seq: u64, count: usize) -> Vec<(u64, JobId)> {
        self.order.range(..seq).rev().take(count).map(|(&seq, &id)| (seq, id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_jobs_make_room_and_the_newest_come_first() {
        let mut recent = Recent::default();
        let row =
            Row { pool: "fib".into(), seq: 0, priority: Priority::Normal, principal: None, rerun_of: None };
        let id = |nth: usize| JobId::from_bits(nth as u128);
        for nth in 1..=MOST + 2 {
            assert_eq!(recent.remember(id(nth), row.clone()).seq, nth as u64);
        }
        assert_eq!((recent.rows.len(), recent.order.len()), (MOST, MOST));
        assert!(recent.row(id(2)).is_none() && recent.row(id(3)).is_some());
        let newest = MOST as u64 + 2;
        assert_eq!(recent.below(u64::MAX, 2), [(newest, id(MOST + 2)), (newest - 1, id(MOST + 1))]);
        assert_eq!(recent.below(4, 9), [(3, id(3))]);
    }
}
