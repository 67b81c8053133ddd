//! [`Core`]: the registry and the dispatcher, owned by the store's thread. It applies operations; `group` makes them
//! durable.

use super::ids;
use super::lanes::Lanes;
use super::op::{Accept, Accepted, Answer, Op, Tell};
use super::outcome::{self, Next};
use super::performer::Acts;
use super::queue::OpQueue;
use super::shared::Shared;
use crate::local::no_room;
use procpool_protocol::JobError;
use procpool_protocol::JobId;
use procpool_protocol::outcome::{Finished, Refusal, Timing};
use procpool_registry::{Decision, Durable, Event, Handled, Record, Registry, State, Time};
use std::collections::HashMap;
use std::sync::Arc;

/// The state of the store's thread.
pub(super) struct Core<D> {
    pub(super) registry: Registry<D>,
    pub(super) lanes: Lanes,
    pub(super) shared: Arc<Shared>,
    pub(super) queue: Arc<OpQueue>,
    pub(super) acts: Acts,
    /// The present group changes records. Otherwise it needs no commit.
    pub(super) is_dirty: bool,
    /// The outcomes that the present group has set. To read them again would cost as much as to write them.
    pub(super) ended: HashMap<JobId, Arc<Finished>>,
    /// When something expires next, and when a job is due next, as of the last commit. To ask the storage each time would
    /// cost more than the rest of a small group.
    pub(super) times: [Option<Time>; 2],
    /// Until then no new job is tried, because there was no space.
    pub(super) full_until: Option<Time>,
    pub(super) broken: Option<String>,
    pub(super) is_draining: bool,
    /// Those who wait until no pool has a job.
    pub(super) drained: Vec<Tell<()>>,
}

impl<D: Durable> Core<D> {
    pub(super) fn new(
        mut registry: Registry<D>,
        shared: Arc<Shared>,
        queue: Arc<OpQueue>,
        acts: Acts,
    ) -> Self {
        registry.set_repeatable(shared.options().repeatable());
        Self {
            lanes: Lanes::new(&shared.options()),
            times: [None; 2],
            registry,
            shared,
            queue,
            acts,
            is_dirty: false,
            ended: HashMap::new(),
            full_until: None,
            broken: None,
            is_draining: false,
            drained: Vec::new(),
        }
    }

    /// Applies an operation. Nobody is told before the commit.
    pub(super) fn apply(&mut self, now: Time, op: &Op) -> Answer {
        match op {
            Op::Accept(accept) => Answer::Accepted(self.accept(now, accept)),
            Op::Report(job, event) => {
                self.report(now, *job, event.clone());
                Answer::None
            }
            Op::End(job, finished) => {
                self.end(now, *job, finished);
                Answer::None
            }
            Op::NotTaken(job, error) => {
                self.not_taken(now, *job, error);
                Answer::None
            }
            Op::Cancel(job, _) => {
                self.is_dirty = true;
                Answer::Cancelled(self.registry.cancel(now, *job))
            }
            Op::CancelMatching(order) => {
                self.is_dirty = true;
                let (filter, from) = (&order.filter, order.from);
                let found = self.registry.cancel_matching(now, filter, from, order.limit, order.trial);
                Answer::Selected(found)
            }
            Op::Note(name, note, _) => {
                self.put_note(name, note.clone());
                Answer::None
            }
            Op::Pools(options) => {
                self.lanes.set_pools(options);
                self.registry.set_repeatable(options.repeatable());
                Answer::None
            }
            Op::Drain(_) => {
                self.is_draining = true;
                Answer::None
            }
            Op::Read(_) | Op::Close(_) => Answer::None,
        }
    }

    fn accept(&mut self, now: Time, accept: &Accept) -> Accepted {
        let mut offer = accept.offer.clone();
        let pool = offer.pool.clone();
        offer.id = ids::ordered(now, rand::random());
        offer.not_before = accept.delay.map(|delay| now + delay);
        offer.deadline = accept.timeout.map(|timeout| offer.not_before.unwrap_or(now) + timeout);
        // Also an offer that is refused may have made room.
        self.is_dirty = true;
        let decision = self.registry.offer(now, offer).map_err(|refused| no_room(&pool, refused))?;
        if let Decision::Run(record) = &decision {
            if record.due.is_none() {
                self.lanes.waits(record);
            }
            if let Some(note) = &accept.note {
                self.put_note(&note.name, Some(note.of(record.id)));
            }
        }
        // Heard from before the commit on, so that no end is missed.
        let is_ended = decision.record().state.is_finished();
        let listener = (!is_ended).then(|| self.shared.bells.listen(decision.record().id));
        Ok((decision, listener))
    }

    fn put_note(&mut self, name: &str, note: Option<Vec<u8>>) {
        self.registry.put_note(name, note);
        self.is_dirty = true;
    }

    fn report(&mut self, now: Time, job: JobId, event: Event) {
        // A job that may not be repeated stays claimed until its run ends: its pool may begin it again at any moment.
        let is_claimed = |record: &Record| !self.may_repeat(record);
        if matches!(event, Event::Returned)
            && self.registry.job(job).is_some_and(|record| is_claimed(&record))
        {
            return;
        }
        let changes = !matches!(event, Event::Chunk(_));
        let handled = self.registry.handle(now, job, event);
        self.is_dirty |= changes && handled == Handled::Done;
    }

    fn may_repeat(&self, record: &Record) -> bool {
        self.lanes.options(&record.pool).is_some_and(|options| options.idempotent)
    }

    /// Takes the end of a run: the outcome, unless another attempt follows.
    fn end(&mut self, now: Time, job: JobId, finished: &Arc<Finished>) {
        self.lanes.leave(job);
        let Some(record) = self.registry.job(job) else { return };
        let options = self.lanes.options(&record.pool).cloned().unwrap_or_default();
        match outcome::next(&record, finished, &options, now, rand::random()) {
            Next::Finish => self.finish(now, job, finished.clone()),
            Next::Again(due) => self.wait(now, &record, Event::again((due > now).then_some(due))),
            Next::Back => self.back(now, &record),
        }
    }

    fn finish(&mut self, now: Time, job: JobId, finished: Arc<Finished>) {
        if self.registry.handle(now, job, Event::Finished(finished.clone())) == Handled::Done {
            self.is_dirty = true;
            self.ended.insert(job, finished);
        }
    }

    /// Lets a job wait as if its pool had never had it.
    fn back(&mut self, now: Time, record: &Record) {
        match record.state {
            State::Running if record.worker.is_none() => self.wait(now, record, Event::Unclaimed),
            State::Running => self.wait(now, record, Event::again(None)),
            State::Finished(_) => {}
            _ => self.lanes.waits(record),
        }
    }

    fn wait(&mut self, now: Time, record: &Record, event: Event) {
        if self.registry.handle(now, record.id, event) == Handled::Done {
            self.is_dirty = true;
            self.lanes.waits(record);
        }
    }

    /// Takes a job back that its pool has refused.
    fn not_taken(&mut self, now: Time, job: JobId, error: &JobError) {
        let reason = if let JobError::Refused(refused) = error { Some(&refused.reason) } else { None };
        let retry = match reason {
            Some(Refusal::DeadlineUnreachable { retry, .. } | Refusal::ClientQuarantined { retry, .. }) => {
                Some(*retry)
            }
            _ => None,
        };
        let is_of_job = matches!(reason, Some(Refusal::InputTooLarge { .. } | Refusal::InputEncoding(_)));
        self.lanes.refused(job, now, retry.is_none() && !is_of_job);
        let Some(record) = self.registry.job(job) else { return };
        if is_of_job {
            return self.finish(now, job, Arc::new(unfit(&record, error)));
        }
        self.back(now, &record);
        if let Some(retry) = retry {
            // Only this job: others may run meanwhile.
            self.wait(now, &record, Event::again(Some(now + retry)));
        }
    }
}

/// Returns the end of a job that its pool will never take.
fn unfit(record: &Record, error: &JobError) -> Finished {
    Finished::new(record.id, Timing::default(), Err(Box::new(JobError::bad_input(error.to_string()))))
}
