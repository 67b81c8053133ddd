//! A registry over a [`Durable`] storage: it holds the queue itself, its changes become durable in groups, and it
//! decides about the jobs of a process that is gone.

use std::sync::Arc;

use procpool_protocol::outcome::{Finished, JobError, Timing};
use procpool_protocol::{CrashReport, JobId, Stage};

use super::doubt::Doubt;
use super::{Cancelled, Handled, Registry};
use crate::durable::{CommitError, Durable, Settled};
use crate::effect::Effect;
use crate::event::Event;
use crate::record::{Record, State};
use crate::settings::{Settings, SettingsError};
use crate::storage::Storage;
use crate::time::Time;

/// Whether a job may have another attempt after one that was lost with its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Whether the jobs of the pool may be repeated.
    pub idempotent: bool,
    /// Maximum number of attempts of a job.
    pub max: u32,
}

impl Attempts {
    /// The rule for jobs that run once.
    pub const ONE: Self = Self { idempotent: false, max: 1 };

    /// Returns whether attempts and time are left for another attempt at `time`.
    #[must_use]
    pub fn are_left(&self, record: &Record, time: Time) -> bool {
        let has_time = record.deadline.is_none_or(|deadline| time < deadline);
        record.attempt < self.max && has_time && !record.is_cancelled
    }
}

impl<S: Durable> Registry<S> {
    /// Returns a registry that holds the queue of its jobs in this storage.
    ///
    /// Its jobs are [`State::Queued`] at once, and wait without their pool. It ends those whose deadline passes while
    /// they wait, and those that are cancelled. The owner hands jobs to their pools, and calls
    /// [`commit`](Self::commit) before it tells anybody anything.
    ///
    /// # Errors
    /// When the settings do not fit together.
    pub fn durable(storage: S, settings: Settings, number: u64) -> Result<Self, SettingsError> {
        let mut registry = Self::with_storage(storage, settings, number)?;
        registry.holds_queue = true;
        registry.doubt = Doubt::up_to(registry.storage.newest());
        registry.histories.forget_ended();
        Ok(registry)
    }

    /// Makes everything since the last commit durable. Effects and answers are valid after it.
    ///
    /// # Errors
    /// The group has not happened: its effects are discarded, and its answers are void.
    pub fn commit(&mut self) -> Result<(), CommitError> {
        let committed = self.storage.commit(self.now);
        if committed.is_err() {
            self.forget_group();
        }
        committed
    }

    /// Writes everything since the last commit, in the place of [`commit`](Self::commit). Effects can be taken after it, and
    /// effects and answers are valid once [`when_durable`](Self::when_durable) says so.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn seal(&mut self) -> Result<(), CommitError> {
        let sealed = self.storage.seal(self.now);
        if sealed.is_err() {
            self.forget_group();
        }
        sealed
    }

    /// Calls `then` once everything so far is durable, see [`Durable::when_durable`].
    pub fn when_durable(&mut self, then: Settled) {
        self.storage.when_durable(then);
    }

    /// Writes a note beside the records, or removes it. It becomes durable with the next [`commit`](Self::commit).
    pub fn put_note(&mut self, name: &str, note: Option<Vec<u8>>) {
        self.storage.put_note(name, note);
    }

    /// Returns the damage that was found since the last call, one sentence each.
    pub fn take_damage(&mut self) -> Vec<String> {
        self.storage.take_damage()
    }

    /// Undoes everything since the last commit, with its effects.
    pub fn undo(&mut self) {
        self.storage.undo();
        self.forget_group();
    }

    fn forget_group(&mut self) {
        self.effects.clear();
        let gone = self.histories.lose();
        self.effects.extend(gone.into_iter().map(Effect::Drop));
    }

    /// Makes jobs ready whose [`Record::due`] has come, at most `max`. Returns their records.
    pub fn promote(&mut self, now: Time, max: usize) -> Vec<Arc<Record>> {
        self.advance(now);
        let due = self.storage.due(self.now, max);
        for record in &due {
            self.handle(now, record.id, Event::Due);
        }
        due
    }

    /// Decides about a job that a worker of an earlier process had: it waits again if it may, and has crashed otherwise.
    /// A job that no worker had is left alone.
    pub fn lost(&mut self, now: Time, job: JobId, attempts: Attempts) -> Handled {
        let Some(record) = self.storage.get(job) else { return Handled::Unknown };
        if record.state != State::Running {
            return Handled::Stale;
        }
        if attempts.idempotent && attempts.are_left(&record, self.now.max(now)) {
            return self.handle(now, job, Event::again(None));
        }
        let report = CrashReport::host_lost(job, record.worker.as_deref().unwrap_or_default());
        self.handle(now, job, Event::finished(ended(&record, now, JobError::Crashed(Box::new(report)))))
    }
}

impl<S: Storage> Registry<S> {
    /// Ends a job of the registry's own queue because a client cancels it.
    pub(super) fn end_as_cancelled(&mut self, now: Time, job: JobId) -> Cancelled {
        self.advance(now);
        let Some(record) = self.storage.get(job) else { return Cancelled::Unknown };
        if let Some(outcome) = record.state.outcome() {
            return Cancelled::TooLate(outcome);
        }
        let record = self.resolve_doubt(record);
        self.handle(now, job, Event::Cancel);
        let finished = ended(&record, now, JobError::cancelled(stage(&record)));
        self.handle(now, job, Event::finished(finished));
        Cancelled::Requested
    }

    /// Ends a job whose time is up while it waits.
    pub(super) fn end_as_late(&mut self, record: &Arc<Record>) {
        let record = &*self.resolve_doubt(record.clone());
        let limit = record.deadline.unwrap_or(self.now).since(record.accepted);
        let finished = ended(record, self.now, JobError::timed_out(stage(record), limit));
        self.handle(self.now, record.id, Event::finished(finished));
        // Its pool may have it in its own queue.
        self.effects.push_back(Effect::Cancel(record.id));
    }
}

/// Returns how far a job has come that may have had attempts before.
fn stage(record: &Record) -> Stage {
    if record.may_have_run { Stage::Running } else { Stage::Queued }
}

fn ended(record: &Record, now: Time, error: JobError) -> Finished {
    let began = record.started.unwrap_or(now);
    let timing = Timing::new(began.since(record.accepted), now.since(began));
    Finished::new(record.id, timing, Err(Box::new(error)))
}
