//! [`Memory`]: the storage in memory, which a restart loses.

mod gate;
mod lists;
mod places;
mod queue;
mod store;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;

use self::lists::Lists;
use self::places::Places;
pub use self::store::MemoryStore;
use crate::key::Key;
use crate::record::Record;
use crate::storage::{Part, Query, Storage, Usage};
use crate::time::Time;

/// The storage in memory. Every operation costs at most the logarithm of the number of records.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    records: HashMap<JobId, Arc<Record>>,
    lists: Lists,
    keys: HashMap<Arc<Key>, JobId>,
    newest: u64,
    usage: Usage,
    /// Records by their next expiry.
    expiries: BTreeSet<(Time, u64, JobId)>,
    spare_records: BTreeSet<(Time, u64, JobId)>,
    spare_dead: BTreeSet<(Time, u64, JobId)>,
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
        rows(self.lists.newest_first(query).filter_map(|job| self.records.get(&job)), query)
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
            Part::Dead => self.spare_dead.first()?.2,
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
        shift(&mut self.spare_dead, old.spare_dead, new.spare_dead);
        shift(&mut self.spare_results, old.spare_result, new.spare_result);
        shift(&mut self.spare_inputs, old.spare_input, new.spare_input);
        if old.key != new.key {
            old.key.map(|(key, _)| self.keys.remove(&key));
            new.key.map(|(key, job)| self.keys.insert(key, job));
        }
    }
}

/// Returns the rows of a page. Looks at no record behind them, except at the first that is too old.
fn rows<'a>(newest_first: impl Iterator<Item = &'a Arc<Record>>, query: &Query<'_>) -> Vec<Arc<Record>> {
    newest_first.take(query.limit).take_while(|record| record.accepted >= query.since).cloned().collect()
}

fn shift<T: Ord>(set: &mut BTreeSet<T>, old: Option<T>, new: Option<T>) {
    if old != new {
        old.map(|old| set.remove(&old));
        new.map(|new| set.insert(new));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Filter, Offer, Registry, Settings};
    use std::cell::Cell;
    use std::error::Error;
    use std::time::Duration;

    #[test]
    fn a_page_ends_at_the_first_record_that_is_too_old() -> Result<(), Box<dyn Error>> {
        let mut registry = Registry::new(Settings::default(), 1)?;
        for nth in 0..100 {
            let now = Time::ZERO + Duration::from_secs(nth);
            let _ = registry.offer(now, Offer::new(JobId::from_bits(u128::from(nth)), "fib"))?;
        }
        let all = registry.list(&Filter::default(), None, 100)?.jobs;
        let since = Time::ZERO + Duration::from_secs(90);
        let query = Query { pools: None, classes: None, below: u64::MAX, since, limit: 50 };
        let looks = Cell::new(0);
        let page = rows(all.iter().inspect(|_| looks.set(looks.get() + 1)), &query);
        assert_eq!((page.len(), looks.get()), (10, 11));
        Ok(())
    }
}
