//! The state that a pool's lock protects: the scheduler, and for its ids the jobs and workers behind them.
//!
//! Every method runs inside the lock and makes no system call: it collects in [`Effects`] everything to
//! write, wake, kill or drop.

mod actions;
pub(super) mod answers;
mod batches;
pub(crate) mod broken_off;
pub(super) mod context;
pub(super) mod effects;
pub(super) mod events;
pub(super) mod fingerprint;
pub(super) mod generations;
mod names;
pub(super) mod open_job;
mod positions;
pub(super) mod recall;
mod refusal;
mod schemas;
pub(super) mod slot;
mod stage;
pub(super) mod stats;
pub(super) mod suspects;
mod value_hash;

use self::context::EventContext;
use self::effects::Effects;
use self::generations::{Generations, Reloading};
use self::names::Names;
use self::open_job::{NewJob, OpenJob, Rejected};
use self::positions::Positions;
use self::refusal::QueueBounds;
use self::schemas::Schemas;
use self::slot::WorkerSlot;
pub(super) use self::stats::Stats;
use crate::limits::PoolLimits;
use procpool_process::{Outboxes, Pinned, Recipe};
use procpool_protocol::JobId;
use procpool_protocol::message::Credit;
use procpool_protocol::outcome::Finished;
use procpool_scheduler::{
    Event, Fingerprint, JobId as Key, Refusal as SchedulerRefusal, Scheduler, Terms, Time, WorkerId,
};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::oneshot;

/// A pool's jobs and workers.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) scheduler: Scheduler,
    entries: FxHashMap<Key, OpenJob>,
    pub(crate) slots: BTreeMap<WorkerId, WorkerSlot>,
    places: Positions,
    pub(crate) stats: Stats,
    pub(crate) schemas: Schemas,
    suspects: suspects::Suspects,
    makes: Generations,
    /// Processor time of the workers that are dead.
    pub(crate) spent: Duration,
    /// How the last worker ended that nobody had asked to end.
    pub(crate) last_death: String,
    pool: String,
    /// Whether what a worker is sent is kept, to be saved if the job fails.
    keeps_sent: bool,
    /// Whether the stack of a worker is taken that is killed because its job's time is up.
    takes_stacks: bool,
    /// How many jobs before it are kept, too.
    history: usize,
    /// Maximum length of a payload that goes through shared memory, in bytes.
    shares: usize,
    /// When the timer will wake.
    armed: Option<Time>,
    names: Names,
    /// The number of the next worker's name. A pool that takes another one's place goes on with its numbers.
    pub(crate) numbers: Arc<AtomicU64>,
}

impl State {
    pub(crate) fn new(recipe: Recipe, limits: &PoolLimits, keeps_sent: bool, scheduler: Scheduler) -> Self {
        Self {
            scheduler,
            entries: FxHashMap::default(),
            slots: BTreeMap::new(),
            places: Positions::default(),
            stats: Stats::default(),
            schemas: Schemas::default(),
            suspects: suspects::Suspects::default(),
            pool: recipe.name.clone(),
            makes: Generations::new(recipe),
            spent: Duration::ZERO,
            last_death: String::new(),
            keeps_sent,
            takes_stacks: limits.stack_at_deadline,
            history: limits.save_history,
            shares: limits.shares(),
            armed: None,
            names: Names::new(),
            numbers: Arc::default(),
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
        let (key, id) = self.names_of(&job);
        let limits = job.limits;
        let terms = Terms {
            timeout: limits.timeout.map(|timeout| timeout.saturating_sub(waited)),
            run_timeout: limits.run_timeout,
            attempts: job.attempts,
            bytes: job.input.bytes.len(),
            fingerprint,
            client: job.client.as_ref().map(suspects::number),
            priority: job.rank(),
            tenant: job.tenant(),
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
                let bounds = QueueBounds::of(self.scheduler.settings());
                let reason = bounds.told(reason, &entry.job, &self.last_death);
                Err(Box::new(Rejected { job: entry.job, reason }))
            }
        }
    }

    /// Returns the names of a new job. One that is watched has its id already.
    fn names_of(&mut self, job: &NewJob) -> (Key, JobId) {
        let is_taken = |key| self.entries.contains_key(&key);
        let given = job.events.as_ref().and_then(|events| events.id());
        match given.map(|id| (names::key(id), id)) {
            Some((key, id)) if !is_taken(key) => (key, id),
            _ => self.names.next(is_taken),
        }
    }

    /// Tells who watches these jobs that they are back in the queue, if that is where they went when this
    /// worker lost them.
    pub(crate) fn tell_returned(
        &self,
        worker: WorkerId,
        jobs: impl IntoIterator<Item = Key>,
        effects: &mut Effects,
    ) {
        for entry in jobs.into_iter().filter_map(|job| self.entries.get(&job)) {
            let is_its_last = entry.assigned.is_some_and(|(_, last)| last == worker);
            let events = entry.job.events.as_ref().filter(|events| is_its_last && events.back_in_queue());
            effects.stirred.extend(events.cloned());
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

    /// Starts a reload: tries a new generation of the executable, and puts it into service if its workers get
    /// ready.
    pub(crate) fn reload(&mut self, now: Time, pinned: Pinned, caller: Reloading, effects: &mut Effects) {
        if let Some(generation) = self.makes.add(pinned, self.scheduler.generation(), caller) {
            self.handle(now, Event::Reload { generation }, effects);
        }
    }

    /// Returns the time since the oldest job was accepted that waits.
    pub(crate) fn oldest(&self, now: Time) -> Option<Duration> {
        let waiting = self.scheduler.oldest().filter_map(|job| self.entries.get(&job));
        waiting.map(|entry| now.since(entry.accepted)).max()
    }

    /// Returns the job to which a worker gave this number, unless it has answered that.
    pub(crate) fn job_of(&self, worker: WorkerId, number: u64) -> Option<JobId> {
        let slot = self.slots.get(&worker)?;
        let job = slot.held.iter().find(|held| held.sequence == number)?.job;
        let decided = slot.decided.as_ref().filter(|decided| decided.job == job).map(|decided| decided.id);
        self.id(job).or(decided)
    }

    /// Returns the worker of this name.
    pub(crate) fn worker(&self, name: &str) -> Option<WorkerId> {
        self.slots.iter().find(|(_, slot)| slot.name == name).map(|(&worker, _)| worker)
    }

    /// Removes a worker that is gone.
    pub(crate) fn remove(&mut self, worker: WorkerId) -> Option<WorkerSlot> {
        let slot = self.slots.remove(&worker)?;
        self.places.free(slot.place);
        Some(slot)
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
}
