//! The state that a pool's lock protects: the scheduler, and for its ids the jobs and workers behind them.
//!
//! Every method runs inside the lock and makes no system call: it collects in [`Effects`] everything to
//! write, wake, kill or drop.

pub(super) mod answers;
mod batches;
pub(super) mod context;
pub(super) mod effects;
pub(super) mod events;
pub(super) mod fingerprint;
pub(super) mod generations;
mod histogram;
mod names;
pub(super) mod open_job;
pub(super) mod recall;
mod refusal;
mod schemas;
pub(super) mod slot;
mod stage;
pub(super) mod stats;
mod suspects;
mod value_hash;

use self::context::{EventContext, Told};
use self::effects::Effects;
use self::generations::{Generations, Reloading};
use self::names::Names;
use self::open_job::{NewJob, OpenJob, Rejected};
use self::recall::Recall;
use self::refusal::QueueBounds;
use self::schemas::Schemas;
use self::slot::WorkerSlot;
use self::stage::{is_unbegun, public};
use self::stats::Stats;
use crate::limits::PoolLimits;
use crate::recorder::{self, FailedJob, PendingOutcome};
use procpool_process::{Outboxes, Pinned, Recipe};
use procpool_protocol::arena::Direction;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::limits::CHUNK_CREDIT;
use procpool_protocol::message::{Credit, Job};
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobError, JobId, Stage};
use procpool_scheduler::{
    Action, Event, Fingerprint, JobId as Key, Refusal as SchedulerRefusal, Scheduler, Terms, Time, Verdict,
    WorkerId,
};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A pool's jobs and workers.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) scheduler: Scheduler,
    entries: FxHashMap<Key, OpenJob>,
    pub(crate) slots: BTreeMap<WorkerId, WorkerSlot>,
    pub(crate) stats: Stats,
    pub(crate) schemas: Schemas,
    suspects: suspects::Suspects,
    makes: Generations,
    /// How the last worker ended that nobody had asked to end.
    pub(crate) last_death: String,
    pool: String,
    bounds: QueueBounds,
    /// Whether what a worker is sent is kept, to be saved if the job fails.
    keeps_sent: bool,
    /// How many jobs before it are kept, too.
    history: usize,
    /// Maximum length of a payload that goes through shared memory, in bytes.
    shares: usize,
    /// When the timer will wake.
    armed: Option<Time>,
    names: Names,
}

impl State {
    pub(crate) fn new(recipe: Recipe, limits: &PoolLimits, keeps_sent: bool, scheduler: Scheduler) -> Self {
        Self {
            scheduler,
            entries: FxHashMap::default(),
            slots: BTreeMap::new(),
            stats: Stats::default(),
            schemas: Schemas::default(),
            suspects: suspects::Suspects::default(),
            pool: recipe.name.clone(),
            makes: Generations::new(recipe),
            last_death: String::new(),
            bounds: QueueBounds::of(limits),
            keeps_sent,
            history: limits.save_history,
            shares: limits.shares(),
            armed: None,
            names: Names::new(),
        }
    }

    /// Offers a job of which `waited` is the part of its timeout that is over. One that is refused comes back, with the reason.
    pub(crate) fn submit(
        &mut self,
        now: Time,
        job: NewJob,
        fingerprint: Option<Fingerprint>,
        outcome: oneshot::Sender<Finished>,
        waited: Duration,
        effects: &mut Effects,
    ) -> Result<(Key, JobId), Box<Rejected>> {
        let (key, id) = self.names.next(|key| self.entries.contains_key(&key));
        let limits = job.limits;
        let terms = Terms {
            timeout: limits.timeout.map(|timeout| timeout.saturating_sub(waited)),
            run_timeout: limits.run_timeout,
            attempts: job.attempts,
            bytes: job.input.bytes.len(),
            fingerprint,
            client: job.client.as_ref().map(suspects::number),
        };
        self.entries.insert(key, OpenJob::new(id, job, now, outcome));
        self.scheduler.handle(now, Event::Submit { job: key, terms });
        let reason = self.perform_all(now, &mut EventContext::default(), effects);
        let refused = reason.and_then(|reason| Some((reason, self.entries.remove(&key)?)));
        match refused {
            None => Ok((key, id)),
            Some((reason, entry)) => {
                if matches!(reason, SchedulerRefusal::QueueFull | SchedulerRefusal::QueueBytesFull { .. }) {
                    // It changes nothing. Those that fit in what room there is were woken by what made it.
                    effects.room = None;
                }
                let reason = self.bounds.told(reason, &entry.job, &self.last_death);
                Err(Box::new(Rejected { job: entry.job, reason }))
            }
        }
    }

    /// Feeds one event, about which nothing else is known, and carries out what the scheduler makes of it.
    pub(crate) fn handle(&mut self, now: Time, event: Event, effects: &mut Effects) {
        self.handle_all(now, [event], EventContext::default(), effects);
    }

    /// Feeds several events as one, with what came with them: the scheduler's actions are looked at only after the last.
    pub(crate) fn handle_all(
        &mut self,
        now: Time,
        events: impl IntoIterator<Item = Event>,
        mut context: EventContext,
        effects: &mut Effects,
    ) {
        for event in events {
            if event == Event::Tick {
                self.armed = None;
            }
            self.scheduler.handle(now, event);
        }
        // Only a job that is just being offered is refused.
        let _ = self.perform_all(now, &mut context, effects);
    }

    /// Carries out what the scheduler has decided. Why it refuses a job, if it does.
    fn perform_all(
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

    /// Starts a reload: tries a new generation of the executable, and puts it into service if its workers get
    /// ready.
    pub(crate) fn reload(&mut self, now: Time, pinned: Pinned, caller: Reloading, effects: &mut Effects) {
        if let Some(generation) = self.makes.add(pinned, self.scheduler.generation(), caller) {
            self.handle(now, Event::Reload { generation }, effects);
        }
    }

    /// Closes a pool whose state a panic has left half changed, so that none of it can be relied on. Every
    /// job ends as shut down, since its caller hears nothing else. Every worker is killed, and no job is
    /// accepted.
    pub(crate) fn break_off(&mut self) {
        self.scheduler.break_off();
        for (_, entry) in self.entries.drain() {
            if let Some(events) = &entry.job.events {
                events.end();
            }
        }
        self.makes.forget_callers();
        for slot in std::mem::take(&mut self.slots).into_values() {
            slot.kill_switch.kill();
        }
    }

    /// Returns the time at which the timer must wake.
    pub(crate) fn armed(&self) -> Option<Time> {
        self.armed
    }

    /// Returns the scheduler's name of a job that has no outcome yet.
    pub(crate) fn key(&self, id: JobId) -> Option<Key> {
        let key = names::key(id);
        (self.id(key)? == id).then_some(key)
    }

    /// Returns whether a job has no outcome yet.
    pub(crate) fn is_open(&self, key: Key) -> bool {
        self.entries.contains_key(&key)
    }

    /// Returns the public id of a job that has no outcome yet.
    pub(crate) fn id(&self, key: Key) -> Option<JobId> {
        self.entries.get(&key).map(|entry| entry.id)
    }

    /// Returns a job that has no outcome yet.
    pub(crate) fn entry(&self, key: Key) -> Option<&OpenJob> {
        self.entries.get(&key)
    }

    /// Grants the worker of a running job more chunks; returns the lines to flush.
    pub(crate) fn grant(&mut self, key: Key, chunks: u32) -> Option<Arc<Outboxes>> {
        let (_, worker) = self.entries.get(&key)?.assigned?;
        let slot = self.slots.get(&worker)?;
        let lines = slot.lines.clone()?;
        let frame = Credit { chunks }.to_frame(slot.sequence_of(key)?).ok()?;
        lines.control.push(&frame);
        Some(lines)
    }

    fn perform(&mut self, now: Time, action: Action, context: &mut EventContext, effects: &mut Effects) {
        match action {
            // The caller that offers the job is told.
            Action::Refuse { .. } => {}
            Action::Start { worker, generation } => {
                let name = format!("{}-{}", self.pool, worker.0);
                let slot = WorkerSlot::new(name, now, generation, self.shares).keeping(self.history);
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
            Action::Kill { worker, .. } => {
                // Once the scheduler asked for a kill it gives that worker nothing more, so that a kill
                // performed later hits no other job.
                effects.kill.extend(self.slots.get(&worker).map(|slot| slot.kill_switch.clone()));
            }
            Action::Reloaded { generation, end } => {
                let (current, reason) = (self.scheduler.generation(), context.failed_start.take());
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
            events.begin();
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
            let flush = slot.give(key, &mut frame, now);
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
                entry.judge(told.result)
            }
            Verdict::Crashed { handed_over, payload_deaths, quarantined } => {
                let stage = if handed_over { Stage::Running } else { Stage::Queued };
                context.crashed(key, entry.id, stage, (payload_deaths, quarantined))
            }
            Verdict::Poisoned { stage, payload_deaths, remaining } => {
                Err(JobError::Poisoned { stage: public(stage), payload_deaths, remaining }.into())
            }
            Verdict::GivenBack { client_deaths, retry } => {
                Err(refusal::given_back(&self.pool, &entry.job, client_deaths, retry).into())
            }
            Verdict::Protocol => context.lost(),
            Verdict::TimedOut { stage, limit } => {
                let limit = entry.limit(limit);
                Err(JobError::TimedOut { stage: public(stage), limit, replay: None }.into())
            }
            Verdict::Cancelled { stage } => Err(JobError::Cancelled { stage: public(stage) }.into()),
            Verdict::ShutDown { stage } => Err(JobError::ShutDown { stage: public(stage) }.into()),
        };
        self.stats.finished(entry.timing(now), entry.assigned.is_some(), &result);
        effects.ended.extend(entry.job.events.clone());
        let is_kept = result.as_ref().is_err_and(|error| recorder::is_worth_saving(error));
        let sent = entry.sent.take().filter(|_| is_kept);
        let (caller, finished) = entry.finish(now, Told { result, report });
        match sent {
            Some(sent) => {
                effects.failed.push(FailedJob { sent, outcome: PendingOutcome::new(caller, finished) });
            }
            None => effects.outcomes.push((caller, finished)),
        }
    }
}
