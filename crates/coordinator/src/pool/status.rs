//! A pool at one moment, in the shape that clients of the administration see.

use super::config::WorkerSource;
use super::core::Core;
use super::raw::RawPool;
use super::state::{State, Stats};
use procpool_protocol::engine::PoolFigures;
use procpool_protocol::status::{PoolCounters, PoolStatus, WorkerState, WorkerStatus};
use procpool_scheduler::{self as scheduler, Cause, Counters, JobId, Time, WorkerId};
use std::collections::BTreeMap;
use std::time::Duration;

impl RawPool {
    /// Returns the pool's status at this moment, with the distributions behind it. In a fork only the name is
    /// known.
    pub fn figures(&self) -> PoolFigures {
        let core = self.core();
        if core.is_here() { figures(core, &self.owner.workers) } else { self.status().into() }
    }
}

pub(crate) fn pool(core: &Core, workers: &WorkerSource) -> PoolStatus {
    let mut status = PoolStatus::new(&core.name, workers.to_string());
    let mut counts = Counts::default();
    core.with(|state, now| fill(&mut status, &mut counts, core, state, now));
    counts.complete(&mut status);
    status
}

/// Returns the status and the distributions. The time under the lock does not grow with the pool.
fn figures(core: &Core, workers: &WorkerSource) -> PoolFigures {
    let mut figures = PoolFigures::from(PoolStatus::new(&core.name, workers.to_string()));
    let mut counts = Counts::default();
    figures.memory_limit = core.limits.worker.memory_limit;
    core.with(|state, now| {
        fill(&mut figures.status, &mut counts, core, state, now);
        figures.queued = state.scheduler.queued_by_priority();
        figures.predicted_wait = state.scheduler.predicted_wait();
        figures.poisoned = state.scheduler.condemned(now);
    });
    counts.complete(&mut figures.status);
    counts.stats.fill(&mut figures);
    figures
}

/// Counts that are copied under the lock, into memory that is there, and looked through afterwards.
#[derive(Default)]
struct Counts {
    stats: Stats,
    gone: [u64; Cause::ALL.len()],
    /// Number of workers that got ready.
    ready: u64,
}

impl Counts {
    fn copy(&mut self, state: &State) {
        self.stats.copy(&state.stats);
        self.gone = Cause::ALL.map(|cause| state.scheduler.gone(cause));
        self.ready = state.scheduler.counters().ready;
    }

    /// Writes the part of the status that allocates or searches.
    fn complete(&self, status: &mut PoolStatus) {
        status.jobs = self.stats.jobs();
        status.refusals = self.stats.refusals();
        status.wait = self.stats.wait();
        status.run = self.stats.run();
        status.deaths_by_cause = Cause::ALL.map(Cause::name).into_iter().zip(self.gone).collect();
        let failed = status.deaths_by_cause[Cause::Start.name()];
        status.starts = starts(status.counters.starts, self.ready, failed, status.workers.starting);
        status.counters.accepted -= self.stats.given_back();
    }
}

fn fill(status: &mut PoolStatus, counts: &mut Counts, core: &Core, state: &State, now: Time) {
    use scheduler::WorkerState::{Busy, Idle, Retiring, Starting, Stopping};
    let count = |it| state.scheduler.workers_in(it);
    let workers = &mut status.workers;
    (workers.starting, workers.idle, workers.busy) = (count(Starting), count(Idle), count(Busy));
    (workers.stopping, workers.retiring) = (count(Stopping), count(Retiring));
    let settings = state.scheduler.settings();
    status.queued = state.scheduler.queued();
    status.oldest_ms = state.oldest(now).map(millis);
    status.running = state.scheduler.running();
    status.queue_limit = settings.queue;
    status.queued_bytes = state.scheduler.queued_bytes();
    status.queue_bytes_limit = settings.queue_bytes;
    status.output_bytes = core.untaken.bytes();
    (status.min_workers, status.max_workers) = state.scheduler.size();
    status.draining = state.scheduler.is_draining() || state.scheduler.is_closed();
    status.paused = state.scheduler.is_paused();
    status.generation = state.scheduler.generation().0;
    status.reloading = state.scheduler.is_reloading();
    status.breaker_open = state.scheduler.is_open();
    status.backoff_ms = state.scheduler.is_backing_off().map(|until| millis(until.since(now)));
    status.deaths = state.scheduler.unwanted_deaths();
    status.counters = counters(state.scheduler.counters());
    counts.copy(state);
}

pub(crate) fn workers(core: &Core) -> Vec<WorkerStatus> {
    core.with(|state, now| {
        let each = state.scheduler.workers();
        let workers = each.filter_map(|(id, place, job)| Some((id, worker(state, now, id, place, job)?)));
        let mut workers: Vec<_> = workers.collect();
        workers.sort_by_key(|(id, _)| *id);
        workers.into_iter().map(|(_, status)| status).collect()
    })
}

/// Returns the state of one worker.
pub(super) fn worker(
    state: &State,
    now: Time,
    id: WorkerId,
    worker: scheduler::WorkerState,
    job: Option<JobId>,
) -> Option<WorkerStatus> {
    let slot = state.slots.get(&id)?;
    let mut status = WorkerStatus::new(&slot.name, public(worker));
    status.pid = slot.kill_switch.pid();
    status.job = job.and_then(|job| state.id(job));
    let given = job.and_then(|job| state.entry(job)?.assigned);
    status.job_ms = given.map(|(at, _)| millis(now.since(at)));
    status.jobs_done = slot.jobs_done;
    status.uptime_ms = millis(now.since(slot.started));
    status.generation = slot.generation.0;
    status.version = slot.version;
    status.build = slot.build.clone();
    Some(status)
}

/// Returns the number of starts that have ended, by result. The pool gave up a start that neither failed nor got ready.
fn starts(started: u64, ready: u64, failed: u64, starting: usize) -> BTreeMap<&'static str, u64> {
    let withdrawn = started.saturating_sub(ready + failed + starting as u64);
    BTreeMap::from([("ready", ready), ("failed", failed), ("withdrawn", withdrawn)])
}

pub(super) fn counters(counted: Counters) -> PoolCounters {
    let mut counters = PoolCounters::default();
    counters.accepted = counted.accepted;
    counters.retried = counted.retried;
    counters.returned = counted.returned;
    counters.taken_back = counted.taken_back;
    counters.late_results = counted.late_results;
    counters.starts = counted.starts;
    counters.restarts = counted.restarts;
    counters.kills = counted.kills;
    counters.breaker_opened = counted.breaker_opened;
    counters
}

pub(super) fn public(state: scheduler::WorkerState) -> WorkerState {
    match state {
        scheduler::WorkerState::Starting => WorkerState::Starting,
        scheduler::WorkerState::Idle => WorkerState::Idle,
        scheduler::WorkerState::Busy => WorkerState::Busy,
        scheduler::WorkerState::Stopping => WorkerState::Stopping,
        scheduler::WorkerState::Retiring => WorkerState::Retiring,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
