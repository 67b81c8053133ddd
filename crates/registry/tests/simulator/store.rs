//! A storage that is the one in memory, or alters what that one says.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;
use procpool_registry::{Key, Memory, Part, Query, Record, State, Storage, Time, Usage};

use crate::bugs::Bug;

#[derive(Debug)]
pub(crate) struct Store {
    memory: Memory,
    bug: Option<Bug>,
}

impl Store {
    pub(crate) fn new(memory: Memory, bug: Option<Bug>) -> Self {
        Self { memory, bug }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Returns every record, the newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Record>> {
        let query =
            Query { pools: None, classes: None, below: u64::MAX, since: Time::ZERO, limit: usize::MAX };
        self.memory.page(&query)
    }

    fn find(&self, is_it: impl Fn(&Record) -> bool) -> Option<Arc<Record>> {
        self.all().into_iter().find(|record| is_it(record))
    }
}

impl Storage for Store {
    fn put(&mut self, record: Arc<Record>) {
        let is_new = self.memory.get(record.id).is_none();
        let mut record = (*record).clone();
        if self.has(Bug::StopsVersions) && record.version > 3 {
            record.version = 3;
        }
        if self.has(Bug::RevertsOutcomes)
            && record.state.is_finished()
            && !is_new
            && record.seq.is_multiple_of(8)
        {
            record.state = State::Running;
        }
        self.memory.put(Arc::new(record));
    }

    fn remove(&mut self, record: &Record) {
        self.memory.remove(record);
    }

    fn get(&self, job: JobId) -> Option<Arc<Record>> {
        self.memory.get(job)
    }

    fn holder(&self, key: &Key) -> Option<Arc<Record>> {
        match self.bug {
            Some(Bug::ForgetsKeys) => None,
            Some(Bug::ConfusesPrincipals) => self.find(|record| {
                let claim = record.claim.as_ref();
                claim.is_some_and(|claim| claim.key.text == key.text && claim.key.pool == key.pool)
            }),
            _ => self.memory.holder(key),
        }
    }

    fn newest(&self) -> u64 {
        self.memory.newest()
    }

    fn page(&self, query: &Query<'_>) -> Vec<Arc<Record>> {
        let mut query = *query;
        match self.bug {
            Some(Bug::IgnoresPools) => query.pools = None,
            Some(Bug::PagesTooLong) => query.limit += 1,
            Some(Bug::RepeatsARow) => query.below = query.below.saturating_add(1),
            _ => {}
        }
        let mut page = self.memory.page(&query);
        match self.bug {
            Some(Bug::SkipsARow) if page.len() > 2 => drop(page.remove(1)),
            Some(Bug::ListsTheOldestFirst) => page.reverse(),
            _ => {}
        }
        page
    }

    fn overdue(&self, now: Time) -> Option<Arc<Record>> {
        self.memory.overdue(now).filter(|_| !self.has(Bug::FindsNothingOverdue))
    }

    fn next_expiry(&self) -> Option<Time> {
        self.memory.next_expiry().filter(|_| !self.has(Bug::SetsNoAlarm))
    }

    fn spare(&self, part: Part) -> Option<Arc<Record>> {
        match (self.bug, part) {
            (Some(Bug::GivesUpKeys), Part::Record) => {
                self.find(|record| record.state.is_finished()).or(self.memory.spare(part))
            }
            (Some(Bug::GivesUpTheUnfinished), Part::Record) => self.find(|record| !record.is_protected()),
            (Some(Bug::GivesUpTheNewest), Part::Record) => {
                let spare = self.all().into_iter().filter(|it| it.state.is_finished() && !it.is_protected());
                spare.max_by_key(|record| record.finished)
            }
            (Some(Bug::GivesUpResultsOfKeysFirst), Part::Result) => self
                .find(|record| record.result.is_held() && record.is_protected())
                .or_else(|| self.memory.spare(part)),
            _ => self.memory.spare(part),
        }
    }

    fn usage(&self) -> Usage {
        let mut usage = self.memory.usage();
        match self.bug {
            Some(Bug::CountsARecordTooLittle) => usage.records = usage.records.saturating_sub(1),
            Some(Bug::CountsNoRecordBytes) => usage.record_bytes = 0,
            Some(Bug::CountsNoResults) => usage.result_bytes = 0,
            Some(Bug::CountsNoInputs) => usage.input_bytes = 0,
            Some(Bug::CountsAKeyTooMuch) => usage.keys += 1,
            Some(Bug::CountsAKeyTooLittle) => usage.keys = usage.keys.saturating_sub(1),
            _ => {}
        }
        usage
    }

    fn put_input(&mut self, job: JobId, input: Arc<Submission>) {
        self.memory.put_input(job, input);
    }

    fn input(&self, job: JobId) -> Option<Arc<Submission>> {
        self.memory.input(job)
    }

    fn take_input(&mut self, job: JobId) -> Option<Arc<Submission>> {
        self.memory.take_input(job)
    }

    fn put_result(&mut self, job: JobId, result: Arc<Finished>) {
        if !self.has(Bug::LosesResults) {
            self.memory.put_result(job, result);
        }
    }

    fn result(&self, job: JobId) -> Option<Arc<Finished>> {
        let other = self.find(|record| record.id != job && record.result.is_held());
        match other {
            Some(other) if self.has(Bug::SwapsResults) => self.memory.result(other.id),
            _ => self.memory.result(job),
        }
    }

    fn take_result(&mut self, job: JobId) -> Option<Arc<Finished>> {
        self.memory.take_result(job)
    }
}
