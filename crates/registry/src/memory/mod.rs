//! [`Memory`]: the storage in memory, which a restart loses.

mod lists;
mod places;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;

use self::lists::Lists;
use self::places::Places;
use crate::key::Key;
use crate::record::Record;
use crate::storage::{Part, Query, Storage, Usage};
use crate::time::Time;

/// The storage in memory. Every operation costs at most the logarithm of the number of records.
#[derive(Debug, Default)]
pub struct Memory {
    records: HashMap<JobId, Arc<Record>>,
    lists: Lists,
    keys: HashMap<Arc<Key>, JobId>,
    newest: u64,
    usage: Usage,
    /// Records by their next expiry.
    expiries: BTreeSet<(Time, u64, JobId)>,
    spare_records: BTreeSet<(Time, u64, JobId)>,
    /// Those without keys come first.
    spare_results: BTreeSet<(bool, Time, u64, JobId)>,
    spare_inputs: BTreeSet<(Time, u64, JobId)>,
    inputs: HashMap<JobId, Arc<Submission>>,
    results: HashMap<JobId, Arc<Finished>>,
}

impl Storage for Memory {
    fn put(&mut self, record: Arc<Record>) {
        let old = self.records.get(&record.id).cloned();
        self.change(old.as_deref(), Some(&record));
        self.newest = self.newest.max(record.seq);
        self.records.insert(record.id, record);
    }

    fn remove(&mut self, record: &Record) {
        if let Some(old) = self.records.remove(&record.id) {
            self.change(Some(&old), None);
        }
    }

    fn get(&self, job: JobId) -> Option<Arc<Record>> {
        self.records.get(&job).cloned()
    }

    fn holder(&self, key: &Key) -> Option<Arc<Record>> {
        self.keys.get(key).and_then(|&job| self.get(job))
    }

    fn newest(&self) -> u64 {
        self.newest
    }

    fn page(&self, query: &Query<'_>) -> Vec<Arc<Record>> {
        let records = self.lists.newest_first(query).filter_map(|job| self.records.get(&job));
        records.take_while(|record| record.accepted >= query.since).take(query.limit).cloned().collect()
    }

    fn overdue(&self, now: Time) -> Option<Arc<Record>> {
        let &(time, _, job) = self.expiries.first()?;
        if time <= now { self.get(job) } else { None }
    }

    fn next_expiry(&self) -> Option<Time> {
        self.expiries.first().map(|&(time, ..)| time)
    }

    fn spare(&self, part: Part) -> Option<Arc<Record>> {
        let job = match part {
            Part::Record => self.spare_records.first()?.2,
            Part::Result => self.spare_results.first()?.3,
            Part::Input => self.spare_inputs.first()?.2,
        };
        self.get(job)
    }

    fn usage(&self) -> Usage {
        self.usage
    }

    fn put_input(&mut self, job: JobId, input: Arc<Submission>) {
        self.inputs.insert(job, input);
    }

    fn input(&self, job: JobId) -> Option<Arc<Submission>> {
        self.inputs.get(&job).cloned()
    }

    fn take_input(&mut self, job: JobId) -> Option<Arc<Submission>> {
        self.inputs.remove(&job)
    }

    fn put_result(&mut self, job: JobId, result: Arc<Finished>) {
        self.results.insert(job, result);
    }

    fn result(&self, job: JobId) -> Option<Arc<Finished>> {
        self.results.get(&job).cloned()
    }

    fn take_result(&mut self, job: JobId) -> Option<Arc<Finished>> {
        self.results.remove(&job)
    }
}

impl Memory {
    /// Moves a record from its old places to its new ones.
    fn change(&mut self, old: Option<&Record>, new: Option<&Record>) {
        old.inspect(|record| self.usage.subtract(record));
        new.inspect(|record| self.usage.add(record));
        self.lists.change(old, new);

        let (old, new) = (old.map(Places::of).unwrap_or_default(), new.map(Places::of).unwrap_or_default());
        shift(&mut self.expiries, old.expiry, new.expiry);
        shift(&mut self.spare_records, old.spare_record, new.spare_record);
        shift(&mut self.spare_results, old.spare_result, new.spare_result);
        shift(&mut self.spare_inputs, old.spare_input, new.spare_input);
        if old.key != new.key {
            old.key.map(|(key, _)| self.keys.remove(&key));
            new.key.map(|(key, job)| self.keys.insert(key, job));
        }
    }
}

fn shift<T: Ord>(set: &mut BTreeSet<T>, old: Option<T>, new: Option<T>) {
    if old != new {
        old.map(|old| set.remove(&old));
        new.map(|new| set.insert(new));
    }
}
