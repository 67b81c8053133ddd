//! How far each schedule is done: [`StoreNotes`] are beside the durable jobs, [`ClusterNotes`] beside those of a cluster.

use procpool_jobs::{DurableJobs, JobNote, Jobs, Ledger, MemoryNotes, Note, NoteOfJob, Notes, Run};
use procpool_nats::ClusterJobs;
use procpool_protocol::JobId;
use procpool_protocol::engine::BoxFuture;
use procpool_schedules::Wall;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Notes that survive a restart.
#[derive(Clone, Debug)]
pub(super) struct StoreNotes(pub(super) DurableJobs);

/// Notes that all servers of a cluster share about schedules of its pools. Those about other pools are in memory.
#[derive(Clone, Debug)]
pub(super) struct ClusterNotes {
    cluster: ClusterJobs,
    memory: MemoryNotes,
}

impl ClusterNotes {
    pub(super) fn new(cluster: ClusterJobs) -> Self {
        Self { cluster, memory: MemoryNotes::default() }
    }
}

impl Notes for ClusterNotes {
    fn get(&self, schedule: &str) -> BoxFuture<'_, Option<Note>> {
        self.memory.get(schedule)
    }

    fn put(&self, schedule: &str, note: Note) -> BoxFuture<'_, bool> {
        self.memory.put(schedule, note)
    }

    fn forget(&self, schedule: &str) -> BoxFuture<'_, ()> {
        self.memory.forget(schedule)
    }

    fn ledger(&self, pool: &str) -> Option<Arc<dyn Ledger>> {
        self.cluster.is_durable(pool).then(|| Arc::new(self.cluster.clone()) as Arc<dyn Ledger>)
    }
}

/// A note as JSON. Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Saved {
    done: i64,
    left_out: u64,
    last: Option<SavedRun>,
}

#[derive(Serialize, Deserialize)]
struct SavedRun {
    at: i64,
    /// The job's id.
    job: Option<String>,
    refused: Option<String>,
}

impl StoreNotes {
    /// Returns whether it was written.
    async fn write(&self, schedule: &str, note: Option<Vec<u8>>) -> bool {
        let written = self.0.put_note(name(schedule), note).await;
        if let Err(error) = &written {
            tracing::error!(schedule, %error, "failed to remember how far a schedule is done");
        }
        written.is_ok()
    }
}

impl Notes for StoreNotes {
    fn get(&self, schedule: &str) -> BoxFuture<'_, Option<Note>> {
        let name = name(schedule);
        Box::pin(async move { read(&self.0.note(name).await?) })
    }

    fn put(&self, schedule: &str, note: Note) -> BoxFuture<'_, bool> {
        let schedule = schedule.to_owned();
        Box::pin(async move { self.write(&schedule, Some(written(note))).await })
    }

    fn beside(&self, schedule: &str, note: NoteOfJob) -> Option<JobNote> {
        Some(JobNote::new(name(schedule), move |job| written(note(job))))
    }

    fn forget(&self, schedule: &str) -> BoxFuture<'_, ()> {
        let schedule = schedule.to_owned();
        Box::pin(async move {
            self.write(&schedule, None).await;
        })
    }
}

fn name(schedule: &str) -> String {
    format!("schedule:{schedule}")
}

fn written(note: Note) -> Vec<u8> {
    let last = note.last.map(|run| {
        let (job, refused) = match run.job {
            Ok(job) => (Some(job.to_string()), None),
            Err(reason) => (None, Some(reason)),
        };
        SavedRun { at: run.at.as_secs(), job, refused }
    });
    let saved = Saved { done: note.done.as_secs(), left_out: note.left_out, last };
    serde_json::to_vec(&saved).unwrap_or_default()
}

/// Returns `None` for a note that another version has written: the schedule begins anew.
fn read(note: &[u8]) -> Option<Note> {
    let saved: Saved = serde_json::from_slice(note).ok()?;
    let last = saved.last.and_then(|run| {
        let job = match (run.job, run.refused) {
            (Some(job), _) => Ok(job.parse::<JobId>().ok()?),
            (None, refused) => Err(refused.unwrap_or_default()),
        };
        Some(Run { at: Wall::from_secs(run.at), job })
    });
    Some(Note { done: Wall::from_secs(saved.done), last, left_out: saved.left_out })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let note = |job| Note {
            done: Wall::from_secs(1_764_000_000),
            last: Some(Run { at: Wall::from_secs(1_763_999_999), job }),
            left_out: 3,
        };
        for note in [note(Ok(JobId::from_bits(7))), note(Err("no".into()))] {
            assert_eq!(read(&written(note.clone())), Some(note));
        }
        assert_eq!(read(b"{}"), None);
    }
}
