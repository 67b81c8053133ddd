//! Carries out what the scheduler has decided: hands out jobs, ends them, and has workers started and killed.

use super::State;
use super::context::{EventContext, Told};
use super::effects::Effects;
use super::open_job::OpenJob;
use super::recall::Recall;
use super::refusal;
use super::slot::{Decided, WorkerSlot};
use super::stage::{is_unbegun, public};
use crate::pool::stacks::{Look, Outcome, Withheld};
use crate::recorder::{self, FailedJob, PendingOutcome};
use procpool_protocol::arena::Direction;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::limits::CHUNK_CREDIT;
use procpool_protocol::message::Job;
use procpool_protocol::{JobError, Stage};
use procpool_scheduler::{Action, Cause, JobId as Key, Refusal as SchedulerRefusal, Time, Verdict, WorkerId};
use std::sync::atomic::Ordering;
use std::time::Duration;

impl State {
    /// Carries out what the scheduler has decided. Why it refuses a job, if it does.
    pub(super) fn perform_all(
        &mut self,
        now: Time,
        context: &mut EventContext,
        effects: &mut Effects,
    ) -> Option<SchedulerRefusal> {
        let mut refused = None;
        while let Some(action) = self.scheduler.poll_action() {
            match action {
                Action::Refuse { reason, .. } => refused = Some(reason),
                action => self.perform(now, action, context, effects),
            }
        }
        let next = self.scheduler.poll_timeout();
        if next.is_some_and(|next| self.armed.is_none_or(|armed| next < armed)) {
            self.armed = next;
            effects.rearm = true;
        }
        effects.room = self.scheduler.room();
        refused
    }

    fn perform(&mut self, now: Time, action: Action, context: &mut EventContext, effects: &mut Effects) {
        match action {
            // The caller that offers the job is told.
            Action::Refuse { .. } => {}
            Action::Start { worker, generation } => {
                let number = self.numbers.fetch_add(1, Ordering::Relaxed);
                let mut slot =
                    WorkerSlot::new(&self.pool, number, now, generation, self.shares).keeping(self.history);
                slot.place = self.places.take();
                self.slots.insert(worker, slot);
                effects.spawn.extend(self.makes.recipe(generation).map(|recipe| (worker, recipe)));
            }
            Action::Identify { job } => {
                let input = self.entries.get(&job).map(|entry| (job, entry.job.input.clone()));
                effects.identify.extend(input);
            }
            Action::Assign { worker, job, attempt, remaining } => {
                self.assign(now, worker, job, attempt, remaining, effects);
            }
            Action::Cancel { worker, job } => {
                self.control(worker, effects, |slot| {
                    slot.sequence_of(job).map(|sequence| Frame::new(Kind::Cancel, sequence, ""))
                });
            }
            Action::Recall { worker } => {
                effects.recalls.extend(self.slots.get(&worker).and_then(|slot| Recall::of(worker, slot)));
            }
            Action::Retire { worker } => {
                self.control(worker, effects, |_| Some(Frame::new(Kind::Shutdown, 0, "")));
            }
            Action::Kill { worker, .. } => self.kill(worker, effects),
            Action::Reloaded { generation, end } => {
                let (current, reason) = (self.scheduler.generation(), context.failed_start.take());
                self.stats.reloaded(end);
                effects.reloaded.push(self.makes.reloaded(&self.pool, generation, end, reason));
                effects.outdated.extend(self.makes.retire(current));
            }
            Action::Resolve { job, verdict } => self.resolve(now, job, verdict, context, effects),
            Action::Drained => effects.drained = true,
        }
    }

    fn assign(
        &mut self,
        now: Time,
        worker: WorkerId,
        key: Key,
        attempt: u32,
        remaining: Option<Duration>,
        effects: &mut Effects,
    ) {
        let (Some(entry), Some(slot)) = (self.entries.get_mut(&key), self.slots.get_mut(&worker)) else {
            return;
        };
        entry.given(now, worker, attempt, slot);
        if let Some(events) = &entry.job.events {
            let tells = events.begin(attempt, &slot.name);
            effects.stirred.extend(tells.then(|| events.clone()));
        }
        let header = Job {
            id: entry.id.to_bytes(),
            attempt,
            remaining_nanos: remaining.map(|left| u64::try_from(left.as_nanos()).unwrap_or(u64::MAX)),
            reply: entry.job.reply as u8,
            credit: entry.job.events.as_ref().map(|_| CHUNK_CREDIT),
            extras: entry.job.extras(slot.takes_batches),
        };
        slot.last_sequence += 1;
        let sequence = slot.last_sequence;
        // A few dozen bytes, and at most the rest of a value: it cannot exceed the limit of a header.
        if let Ok(mut frame) = header.to_frame(sequence) {
            // Lent and given back: a clone would cost a small input an allocation.
            frame.payload = entry.lend_input(slot.takes_batches);
            if self.keeps_sent {
                entry.sent = Some(Box::new(slot.sent(attempt, frame.clone())));
            }
            let length = frame.payload.bytes.len();
            effects.wanted.extend(slot.wants(Direction::Input, length).map(|wanted| (worker, wanted)));
            let flush = slot.give(key, &mut frame, now, &mut self.stats.payloads);
            if let Some(lines) = &slot.lines {
                effects.flush(lines, flush);
            }
            entry.take_back_input(frame.payload);
        }
    }

    pub(crate) fn control(
        &mut self,
        worker: WorkerId,
        effects: &mut Effects,
        frame: impl FnOnce(&WorkerSlot) -> Option<Frame>,
    ) {
        let Some(slot) = self.slots.get(&worker) else {
            return;
        };
        if let (Some(lines), Some(frame)) = (&slot.lines, frame(slot)) {
            lines.control.push(&frame);
            effects.flush_control.push(lines.clone());
        }
    }

    fn resolve(
        &mut self,
        now: Time,
        key: Key,
        verdict: Verdict,
        context: &mut EventContext,
        effects: &mut Effects,
    ) {
        let Some(mut entry) = self.entries.remove(&key) else { return };
        if is_unbegun(verdict) {
            // The time of its earlier attempts was lost: it counts as waiting time.
            entry.assigned = None;
        }
        let mut report = None;
        let result = match verdict {
            Verdict::Finished => {
                let told = context.take_result(key);
                report = told.report;
                if let Some(report) = &report {
                    self.stats.reported(report);
                }
                entry.judge(told.result)
            }
            Verdict::Crashed { handed_over, payload_deaths, quarantined } => {
                let stage = if handed_over { Stage::Running } else { Stage::Queued };
                context.crashed(key, entry.id, stage, (payload_deaths, quarantined))
            }
            Verdict::Poisoned { stage, payload_deaths, remaining } => {
                Err(JobError::poisoned(public(stage), payload_deaths, remaining).into())
            }
            Verdict::GivenBack { client_deaths, retry } => {
                effects.given_back.push(entry.id);
                Err(refusal::given_back(&self.pool, &entry.job, client_deaths, retry).into())
            }
            Verdict::Unreachable { predicted, retry } => {
                effects.given_back.push(entry.id);
                Err(refusal::too_late(&self.pool, &entry.job, predicted, retry).into())
            }
            Verdict::Protocol => context.lost(),
            Verdict::TimedOut { stage, limit } => {
                let limit = entry.limit(limit);
                self.decided(key, &entry);
                Err(JobError::timed_out(public(stage), limit).into())
            }
            Verdict::Cancelled { stage } => {
                self.decided(key, &entry);
                Err(JobError::cancelled(public(stage)).into())
            }
            Verdict::ShutDown { stage } => {
                self.decided(key, &entry);
                Err(JobError::shut_down(public(stage)).into())
            }
        };
        self.stats.finished(entry.timing(now), entry.assigned.is_some(), &result);
        effects.ended.extend(entry.job.events.clone());
        let is_kept = result.as_ref().is_err_and(|error| recorder::is_worth_saving(error));
        let sent = entry.sent.take().filter(|_| is_kept);
        let runs = matches!(verdict, Verdict::TimedOut { .. }).then_some(entry.assigned).flatten();
        let crashes = matches!(verdict, Verdict::Crashed { .. }) && context.waits_for_stack(key);
        let (caller, finished) = entry.finish(now, Told { result, report });
        if crashes {
            effects.crashed.push(Withheld::new(Outcome { caller, finished, sent }));
            return;
        }
        if let Some((worker, slot)) = runs.and_then(|(_, worker)| Some((worker, self.looks_at(worker, key)?)))
        {
            let look = Look::at(worker, slot, Some(Withheld::new(Outcome { caller, finished, sent })));
            effects.looks.extend(look.clone());
            // That of a job which the worker passed over afterwards.
            effects.left.extend(std::mem::replace(&mut slot.look, look));
            return;
        }
        match sent {
            Some(sent) => {
                effects.failed.push(FailedJob { sent, outcome: PendingOutcome::new(caller, finished) });
            }
            None => effects.outcomes.push((caller, finished)),
        }
    }

    /// Notes with its worker that a job gets its outcome while that worker may run it: the worker may die of it.
    fn decided(&mut self, job: Key, entry: &OpenJob) {
        let slot = entry.assigned.and_then(|(_, worker)| self.slots.get_mut(&worker));
        if let Some(slot) = slot {
            slot.decided = Some(Decided { job, id: entry.id, length: entry.job.input.bytes.len() });
        }
    }

    /// Returns the worker if it runs this job, and is looked at when the time of the job is up.
    fn looks_at(&mut self, worker: WorkerId, job: Key) -> Option<&mut WorkerSlot> {
        let slot = self.slots.get_mut(&worker).filter(|_| self.takes_stacks)?;
        slot.held.front().is_some_and(|held| held.job == job).then_some(slot)
    }

    /// Has a worker killed. Once the scheduler asked for that it gives the worker nothing more, so that a kill
    /// performed later hits no other job.
    fn kill(&mut self, worker: WorkerId, effects: &mut Effects) {
        let is_looked_at = self.takes_stacks && self.scheduler.reason(worker) == Some(Cause::TimedOut);
        let Some(slot) = self.slots.get_mut(&worker) else { return };
        if is_looked_at {
            slot.last_look = match slot.look.take() {
                Some(look) if look.is_at(slot) => Some(look),
                other => {
                    effects.left.extend(other);
                    // It had this job ahead, and the job's outcome went out when its time was up.
                    let look = Look::at(worker, slot, None);
                    effects.looks.extend(look.clone());
                    look
                }
            };
        }
        match &slot.last_look {
            Some(look) => effects.kill_looked_at.push(look.clone()),
            None => effects.kill.push(slot.kill_switch.clone()),
        }
    }
}
