//! [`Ledger`]: where several servers keep their notes about the same schedules, and submit the jobs of these.

use crate::interface::Order;
use crate::scheduled::Note;
use procpool_protocol::engine::BoxFuture;
use procpool_protocol::{JobError, JobId};
use procpool_schedules::Wall;
use std::time::Duration;

/// The note of a schedule that several servers share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How far the schedule is done.
    pub note: Note,
    /// The pool of its last job.
    pub pool: String,
    /// Whether that job was certainly submitted. Otherwise any server submits it, under the same id.
    pub is_sent: bool,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Grows with each write. `0` is the version of a schedule without an entry.
    pub version: u64,
    /// The entry.
    pub entry: Entry,
    /// Time since it was written, by the clock of the store.
    pub age: Duration,
}

/// The store did not answer, or its answer cannot be used. Nothing is known about a write that it was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Away(pub String);

/// A store that several servers share: each entry changes by compare-and-set, and a job is submitted under an id that was
/// noted before.
pub trait Ledger: Send + Sync + 'static {
    /// Returns the time by the clock of the store, which is the same for all servers. It may be some seconds late, and is never
    /// early.
    ///
    /// # Errors
    /// When the store does not answer.
    fn now(&self) -> BoxFuture<'_, Result<Wall, Away>>;

    /// Returns the id of a new job.
    fn id(&self) -> JobId;

    /// Returns the entry of a schedule. It may be an old one.
    ///
    /// # Errors
    /// When the store does not answer.
    fn read<'a>(&'a self, schedule: &'a str) -> BoxFuture<'a, Result<Option<Kept>, Away>>;

    /// Replaces the entry of a schedule if it has this version. Returns the new version, or `None` if it has another one.
    ///
    /// # Errors
    /// When the store does not answer. The entry may have been replaced.
    fn write<'a>(
        &'a self,
        schedule: &'a str,
        expect: u64,
        entry: &'a Entry,
    ) -> BoxFuture<'a, Result<Option<u64>, Away>>;

    /// Returns whether a job of a pool has ended, or `None` if the store does not have the job.
    ///
    /// # Errors
    /// When the store does not answer.
    fn has_ended<'a>(&'a self, pool: &'a str, job: JobId) -> BoxFuture<'a, Result<Option<bool>, Away>>;

    /// Submits a job under this id. A job that the store has already is submitted as well: nothing changes.
    ///
    /// # Errors
    /// The refusal of the job, or that the store did not answer.
    fn submit(&self, id: JobId, order: Order) -> BoxFuture<'_, Result<(), JobError>>;

    /// Returns the time for which the store remembers that a job of this pool has run.
    fn retain(&self, pool: &str) -> Duration;
}
