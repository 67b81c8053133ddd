//! [`Notes`]: how far each schedule is done.

use super::shared::Ledger;
use crate::interface::JobNote;
use procpool_protocol::JobId;
use procpool_protocol::engine::BoxFuture;
use procpool_schedules::Wall;
use std::collections::HashMap;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How far a schedule is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The time up to which every run was submitted or left out.
    pub done: Wall,
    /// The last run that was due and not left out.
    pub last: Option<Run>,
    /// Number of runs that were left out so far.
    pub left_out: u64,
}

/// A run of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// When it was due.
    pub at: Wall,
    /// Its job, or why there is none.
    pub job: Result<JobId, String>,
}

/// Returns the note of a run whose job has this id.
pub type NoteOfJob = Box<dyn Fn(JobId) -> Note + Send + Sync>;

/// Remembers how far each schedule is done.
///
/// Where notes are in the same place as the jobs, a run is noted in the same step as its job. Elsewhere it is noted after its
/// job was accepted: if the process ends in between, the job is submitted twice.
pub trait Notes: Send + Sync + 'static {
    /// Returns what was noted last. `None` for a new schedule.
    fn get(&self, schedule: &str) -> BoxFuture<'_, Option<Note>>;

    /// Replaces what was noted. Ready once it is as durable as the jobs. Returns whether it is.
    fn put(&self, schedule: &str, note: Note) -> BoxFuture<'_, bool>;

    /// Returns what must be written in the same step as a job, if its pool is durable at that step. `note` is asked with the id
    /// of the job. `None`, the default, if these notes are elsewhere.
    fn beside(&self, schedule: &str, note: NoteOfJob) -> Option<JobNote> {
        let _ = (schedule, note);
        None
    }

    /// Forgets a schedule that was removed: one of its name is new.
    fn forget(&self, schedule: &str) -> BoxFuture<'_, ()>;

    /// Returns where the notes of schedules of this pool are, if other servers submit their jobs, too. `None`, the default, if
    /// these notes are meant. A shared schedule is never forgotten: another server may have it still.
    fn ledger(&self, pool: &str) -> Option<Arc<dyn Ledger>> {
        let _ = pool;
        None
    }
}

/// Notes in memory, which a restart loses. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryNotes(Arc<Mutex<HashMap<String, Note>>>);

impl MemoryNotes {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes for MemoryNotes {
    fn get(&self, schedule: &str) -> BoxFuture<'_, Option<Note>> {
        Box::pin(ready(self.lock().get(schedule).cloned()))
    }

    fn put(&self, schedule: &str, note: Note) -> BoxFuture<'_, bool> {
        self.lock().insert(schedule.to_owned(), note);
        Box::pin(ready(true))
    }

    fn forget(&self, schedule: &str) -> BoxFuture<'_, ()> {
        self.lock().remove(schedule);
        Box::pin(ready(()))
    }
}
