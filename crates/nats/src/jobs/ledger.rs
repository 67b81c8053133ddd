//! [`Ledger`] for [`ClusterJobs`]: how far each schedule is done, as a message that the fronts replace by compare-and-set.

use super::ClusterJobs;
use crate::link::LinkError;
use crate::look::{JobState, Unreachable};
use crate::streams;
use procpool_jobs::{Away, KeptEntry, Ledger, Note, Order, Run, ScheduleEntry, Wall};
use procpool_protocol::engine::BoxFuture;
use procpool_protocol::{JobError, JobId};
use serde::{Deserialize, Serialize};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Time for which a reading of the cluster's clock is continued here.
const FRESH: Duration = Duration::from_secs(30);

/// The clock of the stream's leader, in nanoseconds since 1970, at a moment after it was read there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    read: Instant,
    nanos: u64,
}

/// An entry as JSON. Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Saved {
    done: i64,
    left_out: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<SavedRun>,
    pool: String,
    /// Whether the job was certainly submitted.
    sent: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Came {
    Job(JobId),
    Refused(String),
}

#[derive(Serialize, Deserialize)]
struct SavedRun {
    at: i64,
    #[serde(flatten)]
    came: Came,
}

impl ClusterJobs {
    /// Returns the time of the leader of the stream of schedules, in nanoseconds since 1970. Late by an answer's way at most.
    async fn leader_time(&self) -> Result<u64, LinkError> {
        let continued = |reading: Reading| {
            let since = reading.read.elapsed();
            (since < FRESH).then(|| reading.nanos.saturating_add(streams::nanos(since)))
        };
        let known = *self.0.leader.lock().unwrap_or_else(PoisonError::into_inner);
        match known.and_then(continued) {
            Some(time) => Ok(time),
            None => self.read_leader_time().await,
        }
    }

    async fn read_leader_time(&self) -> Result<u64, LinkError> {
        let cluster = self.0.front.cluster();
        let nanos = streams::leader_time(self.0.front.link(), &cluster.0.namespace.schedules()).await?;
        let reading = Reading { read: Instant::now(), nanos };
        *self.0.leader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        Ok(nanos)
    }

    fn schedule(&self, name: &str) -> Result<String, Away> {
        let namespace = &self.0.front.cluster().0.namespace;
        namespace.schedule(name).map_err(|error| Away(error.to_string()))
    }

    async fn entry(&self, schedule: &str) -> Result<Option<KeptEntry>, Away> {
        let subject = self.schedule(schedule)?;
        let stream = self.0.front.cluster().0.namespace.schedules();
        let Some(stored) = self.0.front.link().last(&stream, &subject).await? else {
            return Ok(None);
        };
        // Of a newer version. It is not written over.
        let saved: Saved = serde_json::from_slice(&stored.body)
            .map_err(|error| Away(format!("the note of a schedule cannot be read: {error}")))?;
        // The clock that continues a reading stands still while this machine sleeps. The age of a run that is not marked decides
        // whether its job is submitted.
        let now = if saved.sent { self.leader_time().await? } else { self.read_leader_time().await? };
        let age = Duration::from_nanos(now.saturating_sub(stored.time));
        Ok(Some(KeptEntry { version: stored.seq, entry: read(saved), age }))
    }
}

impl Ledger for ClusterJobs {
    fn now(&self) -> BoxFuture<'_, Result<Wall, Away>> {
        Box::pin(async move {
            let nanos = self.leader_time().await?;
            Ok(Wall::from_secs(i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX)))
        })
    }

    fn id(&self) -> JobId {
        ClusterJobs::id(self)
    }

    fn read<'a>(&'a self, schedule: &'a str) -> BoxFuture<'a, Result<Option<KeptEntry>, Away>> {
        Box::pin(self.entry(schedule))
    }

    fn write<'a>(
        &'a self,
        schedule: &'a str,
        expect: u64,
        entry: &'a ScheduleEntry,
    ) -> BoxFuture<'a, Result<Option<u64>, Away>> {
        Box::pin(async move {
            let subject = self.schedule(schedule)?;
            let body = serde_json::to_vec(&saved(entry)).map_err(|error| Away(error.to_string()))?;
            match self.0.front.link().publish(subject, Some(expect), None, body.into()).await {
                Ok(version) => Ok(Some(version)),
                Err(error) if error.is_conflict() => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn has_ended<'a>(&'a self, pool: &'a str, job: JobId) -> BoxFuture<'a, Result<Option<bool>, Away>> {
        Box::pin(async move {
            let look = self.0.front.look(pool, job).await;
            Ok(match look.map_err(|Unreachable { reason }| Away(reason))?.state {
                JobState::Unknown => None,
                JobState::Finished(_) => Some(true),
                _ => Some(false),
            })
        })
    }

    fn submit(&self, id: JobId, order: Order) -> BoxFuture<'_, Result<(), JobError>> {
        Box::pin(async move { self.accept_as(id, order).await.map(drop) })
    }

    fn retain(&self, pool: &str) -> Duration {
        ClusterJobs::retain(self, pool)
    }
}

impl From<LinkError> for Away {
    fn from(error: LinkError) -> Self {
        Self(error.to_string())
    }
}

fn saved(entry: &ScheduleEntry) -> Saved {
    let ScheduleEntry { note: Note { done, last, left_out }, pool, is_sent } = entry.clone();
    let last = last.map(|run| {
        let came = run.job.map_or_else(Came::Refused, Came::Job);
        SavedRun { at: run.at.as_secs(), came }
    });
    Saved { done: done.as_secs(), left_out, last, pool, sent: is_sent }
}

fn read(saved: Saved) -> ScheduleEntry {
    let last = saved.last.map(|SavedRun { at, came }| {
        let job = match came {
            Came::Job(job) => Ok(job),
            Came::Refused(reason) => Err(reason),
        };
        Run { at: Wall::from_secs(at), job }
    });
    let note = Note { done: Wall::from_secs(saved.done), last, left_out: saved.left_out };
    ScheduleEntry { note, pool: saved.pool, is_sent: saved.sent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        for (job, word) in [(Ok(JobId::from_bits(7)), "\"job\""), (Err("no".into()), "\"refused\":\"no\"")] {
            let last = Some(Run { at: Wall::from_secs(1_763_999_999), job });
            let note = Note { done: Wall::from_secs(1_764_000_000), last, left_out: 3 };
            let entry = ScheduleEntry { note, pool: "fib".into(), is_sent: false };
            let text = serde_json::to_string(&saved(&entry)).unwrap();
            assert!(text.contains(word), "{text}");
            assert_eq!(read(serde_json::from_str(&text).unwrap()), entry);
        }
    }
}
