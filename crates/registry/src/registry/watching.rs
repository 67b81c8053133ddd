//! Watching a job: which events it has, and how a watcher continues after a break.

use std::sync::Arc;

use procpool_protocol::{JobId, Payload};

use super::{Handled, Registry};
use crate::effect::{Dropped, Effect};
use crate::history::{Entry, Happened, Unseen};
use crate::record::{Record, State};
use crate::storage::Storage;

/// How a watcher continues.
#[derive(Clone, Debug)]
pub enum Resumed {
    /// With these events, in order and without gaps. If there are none, it waits for
    /// [`Effect::Changed`].
    Next(Vec<Arc<Entry>>),
    /// With the whole state, because the registry no longer holds some of the events. The watcher
    /// continues after the event with this number.
    Reset(Arc<Record>, u64),
    /// Not at all: the job has finished, and the watcher has seen its last event.
    Ended,
}

impl<S: Storage> Registry<S> {
    /// Returns the events of a job after the one with number `seen`. `0` asks for all. Returns
    /// `None` if there is no such job.
    ///
    /// A number that the job has not reached comes from an earlier life of the server, and resets
    /// the watcher.
    #[must_use]
    pub fn events(&self, job: JobId, seen: u64) -> Option<Resumed> {
        let record = self.storage.get(job)?;
        Some(match self.histories.after(job, seen) {
            Unseen::Lost(last) => Resumed::Reset(record, last),
            Unseen::Next(events) if events.is_empty() && record.state.is_finished() => Resumed::Ended,
            Unseen::Next(events) => Resumed::Next(events),
        })
    }

    /// Returns the record if its version is not the one that the client has seen: the answer to a
    /// conditional request. Otherwise the client waits for [`Effect::Changed`].
    #[must_use]
    pub fn changed(&self, job: JobId, seen: u64) -> Option<Arc<Record>> {
        self.storage.get(job).filter(|record| record.version != seen)
    }

    pub(super) fn take_chunk(&mut self, record: &Record, chunk: Payload) -> Handled {
        if record.state != State::Running {
            self.effects.push_back(Effect::Drop(Dropped::Chunk(chunk)));
            return Handled::Stale;
        }
        self.append(record, Happened::Chunk(chunk));
        self.effects.push_back(Effect::Changed(record.id));
        Handled::Done
    }

    /// Reports a change of a record to its watchers.
    pub(super) fn note(&mut self, old: Option<&Record>, new: &Record) {
        if old.is_none() {
            self.histories.begin(new.id);
        }
        let what = happened(old, new);
        what.into_iter().for_each(|what| self.append(new, what));
        self.effects.push_back(Effect::Changed(new.id));
    }

    /// Puts the next version of a record, from which its watchers learn nothing by an event.
    pub(super) fn replace(&mut self, old: &Record, next: Record) {
        self.storage.put(Arc::new(next));
        self.effects.push_back(Effect::Changed(old.id));
    }

    fn append(&mut self, record: &Record, what: Happened) {
        let gone = self.histories.append(&self.settings, record.id, self.now, what);
        self.effects.extend(gone.into_iter().map(Effect::Drop));
    }
}

/// Returns the event by which a change is visible, if it is.
fn happened(old: Option<&Record>, new: &Record) -> Option<Happened> {
    if let State::Finished(outcome) = new.state {
        return Some(Happened::Outcome { outcome, may_have_run: new.may_have_run });
    }
    let stage = |record: &Record| (record.state.phase(), record.started, record.attempt);
    let (phase, attempt, worker) = (new.state.phase(), new.attempt, new.worker.clone());
    if old.map(stage) != Some(stage(new)) {
        return Some(Happened::Phase { phase, attempt, worker });
    }
    if old.is_some_and(|old| old.is_cancelled != new.is_cancelled) {
        return Some(Happened::Cancelled { phase, attempt, worker });
    }
    new.progress.map(Happened::Progress)
}
