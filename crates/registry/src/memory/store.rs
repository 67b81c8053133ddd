//! [`MemoryStore`]: a [`Durable`] storage in memory, for tests. It survives what a test calls a crash, and fails when a
//! test says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use procpool_protocol::JobId;
use procpool_protocol::engine::{Priority, Submission};
use procpool_protocol::outcome::Finished;

use super::Memory;
use super::queue::Queue;
use crate::durable::{CommitError, Durable};
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
    /// How to undo the changes since the last commit, the latest last.
    journal: Vec<Before>,
    /// The present group has a new record.
    has_new: bool,
    is_full: bool,
    broken: Option<String>,
    commits: u64,
    longest_page: usize,
    gate: Arc<Gate>,
}

/// Stops commits while anybody holds it.
#[derive(Debug, Default)]
struct Gate {
    holders: Mutex<usize>,
    opened: Condvar,
}

/// Holds the gate until it is dropped.
struct Stall(Arc<Gate>);

impl Stall {
    fn of(gate: &Arc<Gate>) -> Self {
        *gate.holders.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self(gate.clone())
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        *self.0.holders.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.opened.notify_all();
    }
}

impl Gate {
    fn pass(&self) {
        let holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opened.wait_while(holders, |holders| *holders > 0));
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
        while let Some(before) = self.journal.pop() {
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
        let gate = self.lock().gate.clone();
        gate.pass();
        let mut contents = self.lock();
        let failed = match &contents.broken {
            Some(cause) => Some(CommitError::Broken(cause.clone())),
            None => (contents.is_full && contents.has_new).then_some(CommitError::Full),
        };
        if let Some(failed) = failed {
            contents.undo();
            return Err(failed);
        }
        contents.journal.clear();
        contents.has_new = false;
        contents.commits += 1;
        Ok(())
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
