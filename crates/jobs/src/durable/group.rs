//! A group of operations: applied, committed once, and told and performed once it is durable, see `performer`.

use super::core::Core;
use super::op::{Answer, Op};
use super::performer::{Act, FEW, HandOut, broken, cause};
use procpool_protocol::JobError;
use procpool_protocol::JobId;
use procpool_protocol::outcome::{Finished, Refusal, Refused, Timing};
use procpool_registry::{CommitError, Durable, Effect, Event, Record, ResultState, Time};
use std::sync::Arc;
use std::time::Duration;

/// Time for which no new job is tried after one that found no space.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// Time until ends that found no space are tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Maximum number of jobs that become ready in one group.
const PROMOTED: usize = 512;

/// The parts of a group that are tried, from all to those without which accepted jobs cannot end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Part {
    All,
    /// No new jobs, and none handed out.
    Accepted,
    /// No reports, either.
    Ends,
}

impl<D: Durable> Core<D> {
    /// Makes a group durable, and tells what came of it.
    pub(super) fn group(&mut self, mut ops: Vec<Op>) {
        if let Some(cause) = self.broken.clone() {
            return ops.into_iter().for_each(|op| op.refuse(|pool| broken(pool, &cause)));
        }
        let now = self.shared.clock.now();
        if self.full_until.is_some_and(|until| now < until) {
            ops = refuse_new(ops);
        }
        for part in [Part::All, Part::Accepted, Part::Ends] {
            ops = match part {
                Part::All => ops,
                Part::Accepted => refuse_new(ops),
                Part::Ends => ops.into_iter().filter(|op| !op.is_report()).collect(),
            };
            self.is_dirty = false;
            // A part that failed has set them in vain.
            self.ended.clear();
            let answers: Vec<_> = ops.iter().map(|op| self.apply(now, op)).collect();
            self.pass(now);
            let chosen = if part == Part::All { self.choose(now) } else { Vec::new() };
            match self.commit(ops.len() + chosen.len()) {
                Ok(()) => {
                    if part == Part::All && ops.iter().any(Op::needs_space) {
                        self.full_until = None;
                        self.shared.monitor.set_full(false);
                    }
                    return self.perform(now, ops, answers, &chosen);
                }
                Err(CommitError::Full) => {
                    self.lanes.put_back(&chosen);
                    self.full_until = Some(now + FULL_PAUSE);
                    self.shared.monitor.set_full(true);
                }
                Err(error) => return self.fail(&error, ops),
            }
        }
        // Even the reserve is used up. Nothing is told, and nothing is lost: it is tried until there is space.
        std::thread::sleep(RETRY_PAUSE);
        self.queue.put_back(ops);
    }

    /// Lets time pass: what is overdue expires, and what is due becomes ready.
    fn pass(&mut self, now: Time) {
        let [expiry, due] = self.times;
        if expiry.is_some_and(|time| time <= now) {
            self.registry.tick(now);
            self.is_dirty = true;
        }
        if due.is_some_and(|due| due <= now) {
            for record in self.registry.promote(now, PROMOTED) {
                self.lanes.waits(&record);
            }
            self.is_dirty = true;
        }
    }

    /// Chooses the jobs that pools get after the commit. Those that may not be repeated are claimed with it.
    fn choose(&mut self, now: Time) -> Vec<Arc<Record>> {
        if self.is_draining {
            return Vec::new();
        }
        let chosen = self.lanes.choose(self.registry.storage(), now);
        for record in &chosen {
            let is_idempotent = self.lanes.options(&record.pool).is_some_and(|options| options.idempotent);
            if is_idempotent {
                self.registry.lend(record.id);
            } else {
                self.registry.handle(now, record.id, Event::claimed(record.attempt + 1));
                self.is_dirty = true;
            }
        }
        chosen
    }

    /// Ends the group. A small one is durable on return: a thread beside this one would take longer to wake than it saves.
    fn commit(&mut self, size: usize) -> Result<(), CommitError> {
        if self.is_dirty {
            if size <= FEW {
                self.registry.commit()?;
            } else {
                self.registry.seal()?;
            }
            self.look_ahead();
        }
        Ok(())
    }

    /// Notes when something happens next without an operation.
    pub(super) fn look_ahead(&mut self) {
        self.times = [self.registry.poll_timeout(), self.registry.storage().next_due()];
    }

    /// Ends the store: what is on disk is unknown until the next start.
    fn fail(&mut self, error: &CommitError, ops: Vec<Op>) {
        let cause = cause(error);
        self.broken = Some(cause.clone());
        self.shared.monitor.set_broken(&cause);
        // After what the group before has to tell.
        self.registry.when_durable(self.acts.once_durable(vec![Act::AllGone]));
        ops.into_iter().for_each(|op| op.refuse(|pool| broken(pool, &cause)));
    }

    /// Has told and done what came of the group, once it is durable.
    fn perform(&mut self, now: Time, ops: Vec<Op>, answers: Vec<Answer>, chosen: &[Arc<Record>]) {
        let mut acts = Vec::with_capacity(ops.len() + chosen.len());
        self.perform_effects(now, &mut acts);
        self.ended.clear();
        for op in &ops {
            // Not before the commit: a group that is undone does not know that a worker had the job.
            if let Op::End(job, _) | Op::NotTaken(job, _) = op
                && self.lanes.handed(*job).is_none()
            {
                self.registry.take_back(*job);
            }
        }
        for (op, answer) in ops.into_iter().zip(answers) {
            match (op, answer) {
                (Op::Read(read), _) => acts.push(Act::Read(read(&self.registry, now))),
                (Op::Drain(tell), _) => self.drained.push(tell),
                (op, answer) => acts.extend(told(op, answer)),
            }
        }
        for record in chosen {
            match self.prepare(now, record) {
                Some(hand_out) => acts.push(Act::HandOut(Box::new(hand_out))),
                None => self.end_without_input(record.id),
            }
        }
        for damage in self.registry.take_damage() {
            tracing::error!("{damage}; it counts as gone");
        }
        *self.shared.usage() = (self.registry.usage(), self.registry.event_bytes());
        if self.is_draining && self.lanes.is_idle() {
            acts.extend(self.drained.drain(..).map(Act::Done));
        }
        // Also without acts: a group that fails is told.
        self.registry.when_durable(self.acts.once_durable(acts));
    }

    fn perform_effects(&mut self, now: Time, acts: &mut Vec<Act>) {
        while let Some(effect) = self.registry.poll_effect() {
            match effect {
                Effect::Changed(job) if self.shared.bells.is_heard(job) => acts.push(self.changed(now, job)),
                Effect::Gone(job, _) => acts.push(Act::Gone(job)),
                Effect::Cancel(job) if self.lanes.handed(job).is_some() => acts.push(Act::Cancel(job)),
                _ => {}
            }
        }
    }

    /// Brings the outcome of a finished job to those who wait for it. The registry need not hold it.
    fn changed(&self, now: Time, job: JobId) -> Act {
        if let Some(finished) = self.ended.get(&job) {
            return Act::Changed(job, Some(finished.clone()));
        }
        match self.registry.result(now, job) {
            ResultState::Finished(_, finished) => Act::Changed(job, Some(finished)),
            ResultState::Gone(_) => Act::Gone(job),
            ResultState::Unfinished(_) | ResultState::Unknown => Act::Changed(job, None),
        }
    }

    fn end_without_input(&self, job: JobId) {
        let error = JobError::bad_input("the stored input of the job is gone");
        let finished = Finished::new(job, Timing::default(), Err(Box::new(error)));
        self.queue.push(Op::End(job, Arc::new(finished)));
    }

    fn prepare(&self, now: Time, record: &Record) -> Option<HandOut> {
        let input = self.registry.input(now, record.id)?;
        let mut submission = (*input).clone();
        let asked = submission.limits;
        submission.limits.timeout = record.deadline.map(|deadline| deadline.since(now));
        let base = self.lanes.handed(record.id)?.base;
        Some(HandOut { job: record.id, base, submission, asked })
    }
}

/// Returns the answer to who asked for an operation.
fn told(op: Op, answer: Answer) -> Option<Act> {
    match (op, answer) {
        (Op::Accept(accept), Answer::Accepted(accepted)) => Some(Act::Accepted(accept.tell, accepted)),
        (Op::Cancel(_, tell), Answer::Cancelled(cancelled)) => Some(Act::Cancelled(tell, cancelled)),
        (Op::CancelMatching(order), Answer::Selected(selected)) => Some(Act::Selected(order.tell, selected)),
        (Op::Note(.., tell), _) => Some(Act::Noted(tell)),
        _ => None,
    }
}

/// Refuses what needs space, and returns the rest.
fn refuse_new(ops: Vec<Op>) -> Vec<Op> {
    let (new, rest): (Vec<_>, Vec<_>) = ops.into_iter().partition(Op::needs_space);
    new.into_iter().for_each(|op| op.refuse(|pool| Refused::new(pool, Refusal::StoreFull).into()));
    rest
}
