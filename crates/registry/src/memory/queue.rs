//! [`Queue`]: the unfinished records by what they wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::Priority;

use crate::record::{Record, State};
use crate::time::Time;

/// The unfinished jobs. A function of the records alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// By pool: those that a worker may get now.
    ready: BTreeMap<Arc<str>, BTreeSet<(Priority, u64, JobId)>>,
    /// Those that wait for a time.
    due: BTreeSet<(Time, u64, JobId)>,
    running: BTreeMap<u64, JobId>,
    /// Number of unfinished jobs by pool.
    busy: BTreeMap<Arc<str>, usize>,
}

impl Queue {
    /// Moves a record from its old place to its new one.
    pub(super) fn change(&mut self, old: Option<&Record>, new: Option<&Record>) {
        if let Some(record) = old.filter(|record| !record.state.is_finished()) {
            self.remove(record);
        }
        if let Some(record) = new.filter(|record| !record.state.is_finished()) {
            self.insert(record);
        }
    }

    fn insert(&mut self, record: &Record) {
        *self.busy.entry(record.pool.clone()).or_default() += 1;
        match (record.state, record.due) {
            (State::Running, _) => drop(self.running.insert(record.seq, record.id)),
            (_, Some(due)) => drop(self.due.insert((due, record.seq, record.id))),
            (_, None) => {
                let ready = self.ready.entry(record.pool.clone()).or_default();
                ready.insert((record.priority, record.seq, record.id));
            }
        }
    }

    fn remove(&mut self, record: &Record) {
        if let Some(count) = self.busy.get_mut(&record.pool) {
            *count -= 1;
            if *count == 0 {
                self.busy.remove(&record.pool);
            }
        }
        match (record.state, record.due) {
            (State::Running, _) => drop(self.running.remove(&record.seq)),
            (_, Some(due)) => drop(self.due.remove(&(due, record.seq, record.id))),
            (_, None) => {
                if let Some(ready) = self.ready.get_mut(&record.pool) {
                    ready.remove(&(record.priority, record.seq, record.id));
                }
            }
        }
    }

    pub(super) fn ready(&self, pool: &str, after: Option<(Priority, u64)>, limit: usize) -> Vec<JobId> {
        let from = after.map_or((Priority::High, 0), |(priority, seq)| (priority, seq + 1));
        let from = (from.0, from.1, JobId::from_bits(0));
        let ready = self.ready.get(pool).into_iter().flat_map(|ready| ready.range(from..));
        ready.take(limit).map(|&(_, _, job)| job).collect()
    }

    pub(super) fn due(&self, now: Time, limit: usize) -> Vec<JobId> {
        let due = self.due.iter().take_while(|&&(due, ..)| due <= now);
        due.take(limit).map(|&(_, _, job)| job).collect()
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        self.due.first().map(|&(due, ..)| due)
    }

    pub(super) fn running(&self, after: u64, limit: usize) -> Vec<JobId> {
        self.running.range(after + 1..).take(limit).map(|(_, &job)| job).collect()
    }

    pub(super) fn busy(&self) -> Vec<Arc<str>> {
        self.busy.keys().cloned().collect()
    }
}
