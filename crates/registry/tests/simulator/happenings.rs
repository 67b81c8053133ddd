//! The pool's reports about jobs, in order and out of it, and cancels. The table of states a second
//! time, as the promises state it.

use procpool_protocol::message::Progress;
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::{JobError, JobId, OutcomeKind, Payload, Stage};
use procpool_registry::{Cancelled, Event, Handled, State, Time};

use crate::broken::{Broken, broken};
use crate::model::{Job, Seen};
use crate::run::{Run, Step};

impl Run {
    /// Reports an event of a job. Mostly one that fits, of a job that there is.
    pub(crate) fn report(&mut self) -> Result<Step, Broken> {
        let from = if self.random.percent(93) { self.model.ids() } else { self.model.gone.clone() };
        let job = self.random.pick(&from).unwrap_or(JobId::from_bits(u128::MAX));
        let state = self.model.jobs.get(&job).map(|job| (job.state, job.attempt));
        let (event, may_have_run) = self.draw_event(job, state);
        self.send(job, &event, may_have_run)
    }

    /// Reports an event, and checks how the registry takes it.
    pub(crate) fn send(&mut self, id: JobId, event: &Event, may_have_run: bool) -> Result<Step, Broken> {
        let handled = self.registry.handle(self.now, id, event.clone());
        self.note(|| format!("{id:?} {event:?}\n{:14} -> {handled:?}", ""));
        let now = self.now;
        let fits = self.model.jobs.get_mut(&id).map(|job| job.take(now, event, may_have_run));
        let expected = match fits {
            None => Handled::Unknown,
            Some(true) => Handled::Done,
            Some(false) => Handled::Stale,
        };
        if handled != expected {
            let job = self.model.jobs.get(&id);
            return Err(broken("states_follow_the_table", format!("{handled:?} for {event:?} of {job:?}")));
        }
        self.coverage.met(match (handled, event) {
            (Handled::Unknown, _) => "unknown event",
            (Handled::Stale, Event::Queued) => "queued after the start",
            (Handled::Stale, _) => "stale event",
            (_, Event::Returned) => "returned",
            (_, Event::Finished(_)) if !may_have_run => "finished unrun",
            (_, Event::Finished(_)) => "finished",
            (_, Event::Started { attempt: 2.., .. }) => "next attempt",
            _ => return Ok(if matches!(event, Event::Refused) { Step::Refused(id) } else { Step::Other }),
        });
        if handled == Handled::Done && matches!(event, Event::Finished(_)) {
            let free = if may_have_run { now + self.plan.settings.retention.keys } else { now };
            self.model.free(id, free);
            return Ok(Step::Finished(id));
        }
        Ok(Step::Other)
    }

    fn draw_event(&mut self, job: JobId, state: Option<(State, u32)>) -> (Event, bool) {
        let attempt = state.map_or(0, |(_, attempt)| attempt);
        let next = match state.map(|(state, _)| state) {
            Some(State::Accepted) => [0, 0, 1, 2],
            Some(State::Queued) => [2, 2, 2, 6],
            Some(State::Running) => [6, 6, 4, 5],
            _ => [0, 2, 4, 6],
        };
        let kind = if self.random.percent(80) {
            self.random.pick(&next).unwrap_or(0)
        } else {
            self.random.between(0, 6)
        };
        let event = match kind {
            0 => Event::Queued,
            1 => Event::Refused,
            2 => {
                let more = self.random.between(0, 2).saturating_sub(1);
                Event::started(attempt + u32::try_from(more).unwrap_or(0), "worker")
            }
            3 => Event::Returned,
            4 => Event::Progress(Progress { done: self.random.between(0, 9), total: None }),
            5 => Event::Chunk(Payload::raw(vec![0; self.random.count(0, 700)])),
            _ => return self.draw_end(job),
        };
        (event, false)
    }

    /// Returns an end of a job, and whether it may have run.
    pub(crate) fn draw_end(&mut self, job: JobId) -> (Event, bool) {
        let (result, may_have_run) = match self.random.between(0, 9) {
            0 => (Err(JobError::cancelled(Stage::Queued)), false),
            1 => (Err(JobError::bad_input("no number")), false),
            2 => (Err(JobError::shut_down(Stage::Queued)), false),
            3 => (Err(JobError::cancelled(Stage::Running)), true),
            4 => (Err(JobError::panicked("x".repeat(self.random.count(0, 500)), None)), true),
            _ => {
                // The job's own bytes first, so that no other's are taken for them.
                let mut output = job.to_bytes().to_vec();
                output.resize(16 + self.random.count(0, self.plan.output), 0);
                (Ok(Payload::raw(output)), true)
            }
        };
        (Event::finished(Finished::new(job, Timing::default(), result.map_err(Box::new))), may_have_run)
    }

    pub(crate) fn cancel(&mut self) -> Result<Step, Broken> {
        let id = self.random.pick(&self.model.ids()).unwrap_or(JobId::from_bits(u128::MAX));
        let cancelled = self.registry.cancel(self.now, id);
        self.note(|| format!("cancel {id:?} -> {cancelled:?}"));
        let expected = match self.model.jobs.get(&id).map(|job| job.state) {
            None => Cancelled::Unknown,
            Some(State::Finished(outcome)) => Cancelled::TooLate(outcome),
            Some(_) => Cancelled::Requested,
        };
        if cancelled != expected {
            return Err(broken("states_follow_the_table", format!("{cancelled:?}, not {expected:?}")));
        }
        if let Some(job) = self.model.jobs.get_mut(&id) {
            self.coverage.met(match job.state {
                State::Finished(_) => "cancelled late",
                State::Accepted => "cancelled early",
                _ => "cancelled",
            });
            job.cancel();
        }
        Ok(Step::Other)
    }
}

impl Job {
    /// Takes an event. Returns whether it fits.
    fn take(&mut self, now: Time, event: &Event, may_have_run: bool) -> bool {
        match (self.state, event) {
            (State::Accepted, Event::Refused) => {}
            (State::Accepted, Event::Queued) => self.state = State::Queued,
            (State::Running, Event::Returned) => {
                (self.state, self.progress) = (State::Queued, None);
                self.events.push(Seen::Queued);
            }
            (State::Accepted | State::Queued, Event::Started { attempt, .. }) if *attempt >= self.attempt => {
                self.start(*attempt);
            }
            (State::Running, Event::Started { attempt, .. }) if *attempt > self.attempt => {
                self.start(*attempt);
            }
            (State::Running, Event::Progress(progress)) => {
                self.progress = Some(*progress);
                self.events.push(Seen::Progress(*progress));
            }
            (State::Running, Event::Chunk(chunk)) => self.events.push(Seen::Chunk(chunk.bytes.len() as u64)),
            (State::Accepted | State::Queued | State::Running, Event::Finished(finished)) => {
                let outcome = finished.result.as_ref().map_or_else(|error| error.kind(), |_| OutcomeKind::Ok);
                (self.state, self.finished, self.may_have_run) =
                    (State::Finished(outcome), Some(now), may_have_run);
                self.output = finished.result.as_ref().ok().cloned();
                self.events.push(Seen::Outcome(outcome));
            }
            _ => return false,
        }
        true
    }

    fn start(&mut self, attempt: u32) {
        (self.state, self.attempt, self.progress, self.may_have_run) =
            (State::Running, attempt.max(1), None, true);
        self.events.push(Seen::Running);
    }

    pub(crate) fn cancel(&mut self) {
        if !self.is_finished() && !self.is_cancelled {
            self.is_cancelled = true;
            self.events.push(Seen::Cancelled);
        }
    }
}
