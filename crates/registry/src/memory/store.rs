//! [`MemoryStore`]: a [`Durable`] storage in memory, for tests. It survives what a test calls a crash, and fails when a
//! test says so.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use procpool_protocol::JobId;
use procpool_protocol::engine::{Priority, Submission};
use procpool_protocol::outcome::Finished;

use super::Memory;
use super::gate::{Gate, Stall};
use super::queue::Queue;
use crate::durable::{CommitError, Durable, Settled};
use crate::key::Key;
use crate::record::Record;
use crate::storage::{Part, Query, Storage, Usage};
use crate::time::Time;

/// A storage of which the committed part survives a [crash](Self::crash). Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    memory: Memory,
    queue: Queue,
    notes: BTreeMap<String, Vec<u8>>,
    /// How to undo the changes that are not durable, the latest last.
    journal: Vec<Before>,
    /// The part of the journal that belongs to a sealed group.
    sealed: usize,
    told: Told,
    /// The present group has a new record.
    has_new: bool,
    is_full: bool,
    broken: Option<String>,
    commits: u64,
    longest_page: usize,
    gate: Arc<Gate>,
    syncs: Arc<Gate>,
}

/// Those who learn when the sealed group is durable.
#[derive(Default)]
struct Told(Vec<Settled>);

impl fmt::Debug for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Told").field(&self.0.len()).finish()
    }
}

/// Keeps sealed groups from becoming durable, until it is dropped.
struct Held(MemoryStore, Option<Stall>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.settle(&mut self.1);
    }
}

/// A value before its change.
#[derive(Clone, Debug)]
enum Before {
    Record(JobId, Option<Arc<Record>>),
    Input(JobId, Option<Arc<Submission>>),
    Result(JobId, Option<Arc<Finished>>),
    Newest(u64),
    Note(String, Option<Vec<u8>>),
}

impl MemoryStore {
    /// Returns what a new process finds after this one was killed now: what was committed. This one is of no use from
    /// now on.
    #[must_use]
    pub fn crash(&self) -> Self {
        let mut old = self.lock();
        old.sealed = 0;
        old.undo();
        old.broken = Some("the process was killed".into());
        let (memory, queue, notes) = (old.memory.clone(), old.queue.clone(), old.notes.clone());
        Self(Arc::new(Mutex::new(Contents { memory, queue, notes, ..Contents::default() })))
    }

    /// Sets whether there is no space. Then groups with new records fail.
    pub fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    /// Lets every commit wait until what is returned is dropped.
    #[must_use]
    pub fn stall(&self) -> impl Send + use<> {
        Stall::of(&self.lock().gate)
    }

    /// Keeps the next sealed group from becoming durable until what is returned is dropped. Later groups wait for it. After [`set_broken`](Self::set_broken), the sealed one fails then.
    #[must_use]
    pub fn hold_syncs(&self) -> impl Send + use<> {
        let stall = Stall::of(&self.lock().syncs);
        Held(self.clone(), Some(stall))
    }

    /// Returns whether a group is sealed and not durable.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.lock().sealed > 0
    }

    /// Ends the wait of a sealed group.
    fn settle(&self, stall: &mut Option<Stall>) {
        let (told, ended) = {
            let mut contents = self.lock();
            // Before another group can be sealed.
            drop(stall.take());
            let ended = contents.ended();
            let sealed = std::mem::take(&mut contents.sealed);
            if ended.is_ok() {
                contents.journal.drain(..sealed);
            }
            (std::mem::take(&mut contents.told.0), ended)
        };
        told.into_iter().for_each(|then| then(ended.clone()));
    }

    /// Ends the present group, once no other is on its way.
    fn end(&self, is_sealed: bool) -> Result<(), CommitError> {
        let (gate, syncs) = {
            let contents = self.lock();
            (contents.gate.clone(), contents.syncs.clone())
        };
        gate.pass();
        if self.is_sealed() {
            syncs.pass();
        }
        let mut contents = self.lock();
        let failed = match &contents.broken {
            Some(cause) => Some(CommitError::Broken(cause.clone())),
            None => (contents.is_full && contents.has_new).then_some(CommitError::Full),
        };
        if let Some(failed) = failed {
            contents.undo();
            return Err(failed);
        }
        if is_sealed && syncs.is_held() {
            contents.sealed = contents.journal.len();
        } else {
            contents.journal.clear();
        }
        contents.has_new = false;
        contents.commits += 1;
        Ok(())
    }

    /// Lets every commit from now on fail.
    pub fn set_broken(&self, cause: &str) {
        self.lock().broken = Some(cause.to_owned());
    }

    /// Returns the number of commits that have succeeded.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Returns the number of records of the longest page of waiting jobs that was asked for.
    #[must_use]
    pub fn longest_page(&self) -> usize {
        self.lock().longest_page
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self, select: impl FnOnce(&mut Contents) -> Vec<JobId>) -> Vec<Arc<Record>> {
        let mut contents = self.lock();
        let jobs = select(&mut contents);
        jobs.into_iter().filter_map(|job| contents.memory.get(job)).collect()
    }
}

impl Contents {
    fn ended(&self) -> Result<(), CommitError> {
        self.broken.clone().map_or(Ok(()), |cause| Err(CommitError::Broken(cause)))
    }

    /// Puts or removes the record of a job, without a note of how to undo it.
    fn set(&mut self, job: JobId, record: Option<Arc<Record>>) {
        let old = self.memory.get(job);
        self.queue.change(old.as_deref(), record.as_deref());
        match (record, old) {
            (Some(record), _) => self.memory.put(record),
            (None, Some(old)) => self.memory.remove(&old),
            (None, None) => {}
        }
    }

    fn set_note(&mut self, name: String, note: Option<Vec<u8>>) {
        match note {
            Some(note) => drop(self.notes.insert(name, note)),
            None => drop(self.notes.remove(&name)),
        }
    }

    fn undo(&mut self) {
        self.has_new = false;
        for before in self.journal.split_off(self.sealed).into_iter().rev() {
            match before {
                Before::Record(job, record) => self.set(job, record),
                Before::Input(job, Some(input)) => self.memory.put_input(job, input),
                Before::Input(job, None) => drop(self.memory.take_input(job)),
                Before::Result(job, Some(result)) => self.memory.put_result(job, result),
                Before::Result(job, None) => drop(self.memory.take_result(job)),
                Before::Newest(newest) => self.memory.newest = newest,
                Before::Note(name, note) => self.set_note(name, note),
            }
        }
    }
}

impl Durable for MemoryStore {
    fn commit(&mut self, _: Time) -> Result<(), CommitError> {
        self.end(false)
    }

    fn seal(&mut self, _: Time) -> Result<(), CommitError> {
        self.end(true)
    }

    fn when_durable(&mut self, then: Settled) {
        let mut contents = self.lock();
        if contents.sealed > 0 {
            return contents.told.0.push(then);
        }
        let ended = contents.ended();
        drop(contents);
        then(ended);
    }

    fn undo(&mut self) {
        self.lock().undo();
    }

    fn waiting(&self, pool: &str, after: Option<(Priority, u64)>, limit: usize) -> Vec<Arc<Record>> {
        self.records(|contents| {
            contents.longest_page = contents.longest_page.max(limit);
            contents.queue.ready(pool, after, limit)
        })
    }

    fn due(&self, now: Time, limit: usize) -> Vec<Arc<Record>> {
        self.records(|contents| contents.queue.due(now, limit))
    }

    fn next_due(&self) -> Option<Time> {
        self.lock().queue.next_due()
    }

    fn running(&self, after: u64, limit: usize) -> Vec<Arc<Record>> {
        self.records(|contents| contents.queue.running(after, limit))
    }

    fn busy_pools(&self) -> Vec<Arc<str>> {
        self.lock().queue.busy()
    }

    fn note(&self, name: &str) -> Option<Vec<u8>> {
        self.lock().notes.get(name).cloned()
    }

    fn put_note(&mut self, name: &str, note: Option<Vec<u8>>) {
        let mut contents = self.lock();
        let before = Before::Note(name.to_owned(), contents.notes.get(name).cloned());
        contents.journal.push(before);
        contents.set_note(name.to_owned(), note);
    }
}

impl Storage for MemoryStore {
    fn put(&mut self, record: Arc<Record>) {
        let mut contents = self.lock();
        let old = contents.memory.get(record.id);
        contents.has_new |= old.is_none();
        let newest = contents.memory.newest;
        contents.journal.extend([Before::Newest(newest), Before::Record(record.id, old)]);
        contents.set(record.id, Some(record));
    }

    fn remove(&mut self, record: &Record) {
        let mut contents = self.lock();
        let old = contents.memory.get(record.id);
        contents.journal.push(Before::Record(record.id, old));
        contents.set(record.id, None);
    }

    fn get(&self, job: JobId) -> Option<Arc<Record>> {
        self.lock().memory.get(job)
    }

    fn holder(&self, key: &Key) -> Option<Arc<Record>> {
        self.lock().memory.holder(key)
    }

    fn newest(&self) -> u64 {
        self.lock().memory.newest()
    }

    fn page(&self, query: &Query<'_>) -> Vec<Arc<Record>> {
        self.lock().memory.page(query)
    }

    fn overdue(&self, now: Time) -> Option<Arc<Record>> {
        self.lock().memory.overdue(now)
    }

    fn next_expiry(&self) -> Option<Time> {
        self.lock().memory.next_expiry()
    }

    fn spare(&self, part: Part) -> Option<Arc<Record>> {
        self.lock().memory.spare(part)
    }

    fn usage(&self) -> Usage {
        self.lock().memory.usage()
    }

    fn put_input(&mut self, job: JobId, input: Arc<Submission>) {
        let mut contents = self.lock();
        let before = Before::Input(job, contents.memory.input(job));
        contents.journal.push(before);
        contents.memory.put_input(job, input);
    }

    fn input(&self, job: JobId) -> Option<Arc<Submission>> {
        self.lock().memory.input(job)
    }

    fn take_input(&mut self, job: JobId) -> Option<Arc<Submission>> {
        let mut contents = self.lock();
        let input = contents.memory.take_input(job);
        contents.journal.push(Before::Input(job, input.clone()));
        input
    }

    fn put_result(&mut self, job: JobId, result: Arc<Finished>) {
        let mut contents = self.lock();
        let before = Before::Result(job, contents.memory.result(job));
        contents.journal.push(before);
        contents.memory.put_result(job, result);
    }

    fn result(&self, job: JobId) -> Option<Arc<Finished>> {
        self.lock().memory.result(job)
    }

    fn take_result(&mut self, job: JobId) -> Option<Arc<Finished>> {
        let mut contents = self.lock();
        let result = contents.memory.take_result(job);
        contents.journal.push(Before::Result(job, result.clone()));
        result
    }
}
