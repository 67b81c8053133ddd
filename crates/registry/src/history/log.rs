//! [`Log`]: the last events of one job, numbered without gaps.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use procpool_protocol::message::Progress;
use procpool_protocol::{OutcomeKind, Payload};

use super::Unseen;
use crate::record::Phase;
use crate::settings::Settings;
use crate::size;
use crate::time::Time;

/// Number of bytes of an event besides its chunk, and of its text.
const ENTRY: u64 = 256;

/// An event of a job, as its watchers see it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The number of the event. Each job counts its own events from 1.
    pub id: u64,
    /// The lowest number of the events that this one replaces: its own, unless it is a progress
    /// that directly follows others.
    pub first: u64,
    /// When it happened.
    pub at: Time,
    /// The event.
    pub what: Happened,
    text: OnceLock<Arc<[u8]>>,
}

impl Entry {
    /// Returns the text that watchers get. `write` writes it for the first of them.
    pub fn text(&self, write: impl FnOnce(&Self) -> Vec<u8>) -> &Arc<[u8]> {
        self.text.get_or_init(|| write(self).into())
    }
}

/// The content of an event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Happened {
    /// The job is queued, or a worker has it.
    #[non_exhaustive]
    Phase {
        /// The phase, except [`Phase::Finished`].
        phase: Phase,
        /// The number of the last attempt. `0` before the first.
        attempt: u32,
        /// The worker of the last attempt.
        worker: Option<Arc<str>>,
    },
    /// The job reports its progress. Of several in a row, only the latest stays.
    Progress(Progress),
    /// The job emits a chunk.
    Chunk(Payload),
    /// A client cancels the job.
    #[non_exhaustive]
    Cancelled {
        /// The phase in which the job is, except [`Phase::Finished`].
        phase: Phase,
        /// The number of the last attempt. `0` before the first.
        attempt: u32,
        /// The worker of the last attempt.
        worker: Option<Arc<str>>,
    },
    /// The job has its outcome. This is its last event.
    #[non_exhaustive]
    Outcome {
        /// The outcome.
        outcome: OutcomeKind,
        /// Whether the function may have had side effects.
        may_have_run: bool,
    },
}

/// The last events of one job.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Arc<Entry>>,
    last: u64,
    bytes: u64,
    used: u64,
}

impl Log {
    /// Returns the log of a job whose events were lost with an earlier registry. Its watchers begin
    /// with the whole state, which counts as the first event.
    pub(super) fn lost() -> Self {
        Self { last: 1, ..Self::default() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn use_as(&mut self, used: u64) {
        self.used = used;
    }

    /// Appends an event, and returns those that no longer fit.
    pub(super) fn append(&mut self, settings: &Settings, at: Time, what: Happened) -> Vec<Arc<Entry>> {
        let mut gone = Vec::new();
        self.last += 1;
        let is_progress = |what: &Happened| matches!(what, Happened::Progress(_));
        let mut first = self.last;
        let replaces = is_progress(&what) && self.entries.back().is_some_and(|last| is_progress(&last.what));
        if let Some(before) = replaces.then(|| self.entries.pop_back()).flatten() {
            first = before.first;
            self.bytes -= bytes(&before);
            gone.push(before);
        }
        let entry = Entry { id: self.last, first, at, what, text: OnceLock::new() };
        self.bytes += bytes(&entry);
        self.entries.push_back(Arc::new(entry));
        while self.entries.len() > settings.max_events_per_job
            || self.bytes > settings.max_event_bytes_per_job
        {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= bytes(&oldest);
            gone.push(oldest);
        }
        gone
    }

    /// Returns the events after the one with this number.
    pub(super) fn after(&self, seen: u64) -> Unseen {
        let next = self.entries.front().map_or(self.last + 1, |oldest| oldest.first);
        if seen > self.last || seen < next - 1 {
            return Unseen::Lost(self.last);
        }
        let from = self.entries.partition_point(|entry| entry.id <= seen);
        Unseen::Next(self.entries.range(from..).cloned().collect())
    }

    /// Removes all events. Their numbers are not used again.
    pub(super) fn empty(&mut self) -> Vec<Arc<Entry>> {
        self.bytes = 0;
        std::mem::take(&mut self.entries).into()
    }
}

fn bytes(entry: &Entry) -> u64 {
    // Of bytes, the text is a third longer.
    let chunk = match &entry.what {
        Happened::Chunk(chunk) => size::of_payload(chunk),
        _ => 0,
    };
    ENTRY + chunk + chunk.div_ceil(3) * 4
}
