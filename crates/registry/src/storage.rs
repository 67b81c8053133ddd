//! [`Storage`]: where the records are. The registry holds nothing beside it that a restart may lose,
//! except events.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;

use crate::filter::Class;
use crate::key::Key;
use crate::record::Record;
use crate::time::Time;

/// Where the records, inputs and results are.
///
/// Every index and every sum follows from the records alone: [`put`](Self::put) compares a record
/// with its last version, and changes both. So no second structure can disagree with a record.
///
/// The methods return no errors, because memory has none. A store that can fail groups several
/// calls of the registry into one transaction. It remembers its first error and returns it from its
/// own commit. Then the group has no effect, and its decisions and effects are discarded.
pub trait Storage {
    /// Inserts a record, or replaces the one with the same [`Record::seq`].
    fn put(&mut self, record: Arc<Record>);

    /// Removes a record. The registry has taken its bodies before.
    fn remove(&mut self, record: &Record);

    /// Returns the record of a job.
    fn get(&self, job: JobId) -> Option<Arc<Record>>;

    /// Returns the record that holds a key.
    fn holder(&self, key: &Key) -> Option<Arc<Record>>;

    /// Returns the highest [`Record::seq`] that was ever used, or `0`.
    fn newest(&self) -> u64;

    /// Returns the records of a query, the newest first. Its cost depends on the number of rows
    /// and of lists that it merges, and not on the number of records.
    fn page(&self, query: &Query<'_>) -> Vec<Arc<Record>>;

    /// Returns a record of which something [expires](Record::next_expiry) at `now` or before, the
    /// longest overdue first.
    fn overdue(&self, now: Time) -> Option<Arc<Record>>;

    /// Returns when something expires next.
    fn next_expiry(&self) -> Option<Time>;

    /// Returns the record that is the first to lose this part when room is needed.
    fn spare(&self, part: Part) -> Option<Arc<Record>>;

    /// Returns the counts and sums of the records.
    fn usage(&self) -> Usage;

    /// Holds the input of a job.
    fn put_input(&mut self, job: JobId, input: Arc<Submission>);

    /// Returns the input of a job.
    fn input(&self, job: JobId) -> Option<Arc<Submission>>;

    /// Removes the input of a job.
    fn take_input(&mut self, job: JobId) -> Option<Arc<Submission>>;

    /// Holds the result of a job.
    fn put_result(&mut self, job: JobId, result: Arc<Finished>);

    /// Returns the result of a job.
    fn result(&self, job: JobId) -> Option<Arc<Finished>>;

    /// Removes the result of a job.
    fn take_result(&mut self, job: JobId) -> Option<Arc<Finished>>;
}

/// A page of a list.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Only records of these pools, or of all.
    pub pools: Option<&'a [Arc<str>]>,
    /// Only records of these classes, or of all.
    pub classes: Option<&'a [Class]>,
    /// Only records with a lower [`Record::seq`].
    pub below: u64,
    /// Only records that were accepted then or later. No record with a higher `seq` was accepted
    /// earlier than one with a lower `seq`.
    pub since: Time,
    /// Maximum number of records.
    pub limit: usize,
}

/// A part of a job that can make room for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The whole record, which is finished and which no key protects. The longest finished first.
    Record,
    /// The whole record of a [dead letter](crate::is_dead), which no key protects. The longest finished first.
    Dead,
    /// The result. Jobs without keys first, of these the longest finished.
    Result,
    /// The input of a finished job. The longest finished first.
    Input,
}

/// Counts and sums of the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Number of records.
    pub records: usize,
    /// Number of records that are unfinished.
    pub unfinished: usize,
    /// Number of bytes of the records.
    pub record_bytes: u64,
    /// Number of records that a key protects.
    pub keys: usize,
    /// Number of bytes of the records that a key protects.
    pub keyed_bytes: u64,
    /// Number of dead letters that no key protects.
    pub dead: usize,
    /// Number of bytes of the results.
    pub result_bytes: u64,
    /// Number of bytes of the inputs.
    pub input_bytes: u64,
}

impl Usage {
    /// Adds what a record holds.
    pub fn add(&mut self, record: &Record) {
        self.records += 1;
        self.unfinished += usize::from(!record.state.is_finished());
        self.record_bytes += record.bytes();
        self.keys += usize::from(record.is_protected());
        self.keyed_bytes += keyed_bytes(record);
        self.dead += usize::from(record.is_spare_dead());
        self.result_bytes += record.result.bytes();
        self.input_bytes += record.input.bytes();
    }

    /// Returns the counts and sums of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            records: self.records + other.records,
            unfinished: self.unfinished + other.unfinished,
            record_bytes: self.record_bytes + other.record_bytes,
            keys: self.keys + other.keys,
            keyed_bytes: self.keyed_bytes + other.keyed_bytes,
            dead: self.dead + other.dead,
            result_bytes: self.result_bytes + other.result_bytes,
            input_bytes: self.input_bytes + other.input_bytes,
        }
    }

    /// Subtracts what a record holds.
    pub fn subtract(&mut self, record: &Record) {
        self.records -= 1;
        self.unfinished -= usize::from(!record.state.is_finished());
        self.record_bytes -= record.bytes();
        self.keys -= usize::from(record.is_protected());
        self.keyed_bytes -= keyed_bytes(record);
        self.dead -= usize::from(record.is_spare_dead());
        self.result_bytes -= record.result.bytes();
        self.input_bytes -= record.input.bytes();
    }
}

fn keyed_bytes(record: &Record) -> u64 {
    if record.is_protected() { record.bytes() } else { 0 }
}
