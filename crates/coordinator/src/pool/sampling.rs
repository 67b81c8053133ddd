//! Copies the state of a pool for people who watch it. The lock is held for a few numbers a worker: memory is prepared
//! before, and the ids of the few jobs that are shown are fetched afterwards.

use super::core::Core;
use super::raw::RawPool;
use super::state::State;
use super::status::{self, public};
use procpool_protocol::sample::{PoolSample, SampleFigures, WorkerSample};
use procpool_scheduler::{Cause, JobId as Key, Time, WorkerState};
use std::time::Duration;

/// A job with the time for which it runs and the place of its worker.
type Running = (Duration, usize, Key);

/// Room for workers that have started since the last sample.
const SPARE: usize = 64;

impl RawPool {
    /// Copies the pool's state into `sample`. A fork copies nothing.
    pub(crate) fn sample(&self, sample: &mut PoolSample) {
        if self.core().is_here() {
            copy(self.core(), sample);
        }
    }
}

/// Copies a pool into `sample`. Process ids are taken from the sample where it knows the worker.
fn copy(core: &Core, sample: &mut PoolSample) {
    if sample.name != core.name {
        *sample = PoolSample::new(&core.name);
    }
    let room = sample.places.len() + SPARE;
    let mut places = Vec::with_capacity(room);
    let mut running = Vec::with_capacity(room);
    sample.figures = core.with(|state, now| {
        copy_workers(state, now, &sample.places, &mut places, &mut running);
        figures(state, now)
    });
    sample.places = places;
    let longest = longest(running);
    sample.longest = core.with(|state, _| {
        let id = |&(_, place, job): &Running| Some((place, state.id(job)?));
        longest.iter().filter_map(id).collect()
    });
}

fn copy_workers(
    state: &State,
    now: Time,
    known: &[Option<WorkerSample>],
    places: &mut Vec<Option<WorkerSample>>,
    running: &mut Vec<Running>,
) {
    for (&id, slot) in &state.slots {
        let Some((worker, job, since)) = state.scheduler.worker(id) else { continue };
        let place = slot.place as usize;
        if places.len() <= place {
            places.resize(place + 1, None);
        }
        let mut sampled = WorkerSample::new(slot.number, public(worker));
        let known = known.get(place).copied().flatten().filter(|it| it.number == slot.number);
        sampled.pid = known.and_then(|it| it.pid).or_else(|| slot.kill_switch.pid());
        sampled.since = now.since(since.unwrap_or(slot.started));
        sampled.uptime = now.since(slot.started);
        sampled.generation = slot.generation.0;
        sampled.jobs_done = slot.jobs_done;
        if let Some(job) = job.filter(|_| worker == WorkerState::Busy) {
            running.push((sampled.since, place, job));
        }
        places[place] = Some(sampled);
    }
}

fn longest(mut running: Vec<Running>) -> Vec<Running> {
    let most = PoolSample::MOST_LONGEST;
    let longer = |one: &Running, other: &Running| other.0.cmp(&one.0).then(one.1.cmp(&other.1));
    if running.len() > most {
        running.select_nth_unstable_by(most, longer);
        running.truncate(most);
    }
    running.sort_unstable_by(longer);
    running
}

/// The times of finished jobs are not among them: the history of the coordinator has those of now.
fn figures(state: &State, now: Time) -> SampleFigures {
    let (scheduler, stats) = (&state.scheduler, &state.stats);
    let mut figures = SampleFigures::default();
    figures.queued = scheduler.queued();
    figures.oldest = state.oldest(now);
    figures.running = scheduler.running();
    figures.queue_limit = scheduler.settings().queue;
    (figures.min_workers, figures.max_workers) = scheduler.size();
    (figures.ok, figures.failed, figures.refused) = stats.totals();
    let own = Cause::ALL.iter().filter(|cause| !cause.is_the_pools());
    figures.deaths = own.map(|cause| scheduler.gone(*cause)).sum();
    figures.counters = status::counters(scheduler.counters());
    figures.generation = scheduler.generation().0;
    figures.reloading = scheduler.is_reloading();
    figures.paused = scheduler.is_paused();
    figures.draining = scheduler.is_draining() || scheduler.is_closed();
    figures.breaker_open = scheduler.is_open();
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_come_first_and_no_more_than_are_shown() {
        let job =
            |millis: u64| (Duration::from_millis(millis), usize::try_from(millis).unwrap(), Key(millis));
        let jobs: Vec<_> = (0..100).map(|it| job(it * 37 % 100)).collect();
        let places: Vec<_> = longest(jobs).iter().map(|it| it.1).collect();
        assert_eq!(places, (80..100).rev().collect::<Vec<_>>());
        assert_eq!(
            longest(vec![job(1), job(3), job(2)]).iter().map(|it| it.1).collect::<Vec<_>>(),
            [3, 2, 1]
        );
    }
}
