//! Inputs and results: which the registry holds, and which make room for others.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;

use super::Registry;
use crate::effect::{Dropped, Effect};
use crate::record::{Body, Record};
use crate::size;
use crate::storage::{Part, Storage};
use crate::time::Time;

/// The result of a job.
#[derive(Clone, Debug)]
pub enum ResultState {
    /// There is no such job.
    Unknown,
    /// The job has no outcome yet.
    Unfinished(Arc<Record>),
    /// The job has finished.
    Finished(Arc<Record>, Arc<Finished>),
    /// The job has finished, and its result is gone. The record still names the outcome.
    Gone(Arc<Record>),
}

impl<S: Storage> Registry<S> {
    /// Returns the result of a job.
    #[must_use]
    pub fn result(&self, now: Time, job: JobId) -> ResultState {
        let Some(record) = self.storage.get(job) else { return ResultState::Unknown };
        if !record.state.is_finished() {
            return ResultState::Unfinished(record);
        }
        let is_held = has_body_at(&record, self.now.max(now));
        match self.storage.result(job).filter(|_| is_held) {
            Some(result) => ResultState::Finished(record, result),
            None => ResultState::Gone(record),
        }
    }

    /// Returns the input of a job, if the registry holds it, so that the job can run again.
    #[must_use]
    pub fn input(&self, now: Time, job: JobId) -> Option<Arc<Submission>> {
        let record = self.storage.get(job)?;
        self.storage.input(job).filter(|_| has_body_at(&record, self.now.max(now)))
    }

    pub(super) fn has_body(&self, record: &Record) -> bool {
        has_body_at(record, self.now)
    }

    /// Holds the input of a new job if there is room. Inputs of finished jobs make room for it.
    pub(super) fn hold_input(&mut self, job: JobId, input: Option<Arc<Submission>>) -> Body {
        let Some(input) = input else { return Body::None };
        let bytes = size::of_input(&input);
        if self.makes_room(Part::Input, bytes) {
            self.storage.put_input(job, input);
            Body::Held(bytes)
        } else {
            self.effects.push_back(Effect::Drop(Dropped::Input(input)));
            Body::Gone
        }
    }

    /// Holds the result of a job if there is room. Older results make room for it.
    pub(super) fn hold_result(&mut self, job: JobId, size: Body, result: Arc<Finished>) -> Body {
        if self.makes_room(Part::Result, size.bytes()) {
            self.storage.put_result(job, result);
            size
        } else {
            self.effects.push_back(Effect::Drop(Dropped::Result(result)));
            Body::Gone
        }
    }

    /// Drops bodies of other jobs until this number of bytes fits, and returns whether it does. Drops
    /// none if the number is above the bound.
    fn makes_room(&mut self, part: Part, bytes: u64) -> bool {
        let max = match part {
            Part::Input => self.settings.max_input_bytes,
            _ => self.settings.max_result_bytes,
        };
        if bytes > max {
            return false;
        }
        while self.held(part) > max - bytes {
            let Some(record) = self.storage.spare(part) else { return false };
            self.drop_body(&record, part);
        }
        true
    }

    fn held(&self, part: Part) -> u64 {
        let usage = self.storage.usage();
        if part == Part::Input { usage.input_bytes } else { usage.result_bytes }
    }

    fn drop_body(&mut self, record: &Record, part: Part) {
        let mut next = Record { version: record.version + 1, ..record.clone() };
        match part {
            Part::Input => self.drop_input(&mut next),
            _ => self.drop_result(&mut next),
        }
        self.replace(record, next);
    }

    pub(super) fn drop_input(&mut self, record: &mut Record) {
        if record.input.is_held() {
            record.input = Body::Gone;
            let input = self.storage.take_input(record.id);
            self.effects.extend(input.map(Dropped::Input).map(Effect::Drop));
        }
    }

    pub(super) fn drop_result(&mut self, record: &mut Record) {
        if record.result.is_held() {
            record.result = Body::Gone;
            let result = self.storage.take_result(record.id);
            self.effects.extend(result.map(Dropped::Result).map(Effect::Drop));
        }
    }
}

/// Bodies whose time is up are gone, even if no tick has come since.
fn has_body_at(record: &Record, now: Time) -> bool {
    record.bodies_expire.is_none_or(|time| time > now)
}
