//! Copies the state of a pool for people who watch it. The lock is held for a few numbers a worker, and for a few dozen
//! workers at a time: memory is prepared before, and the ids of the few jobs that are shown are fetched afterwards.

use super::core::Core;
use super::raw::RawPool;
use super::state::State;
use super::status::{self, public};
use procpool_protocol::sample::{PoolSample, SampleFigures, WorkerSample};
use procpool_scheduler::{Cause, JobId as Key, Time, WorkerId, WorkerState};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

/// A job with the time for which it runs and the place of its worker.
type Running = (Duration, usize, Key);

/// Room for workers that have started since the last sample.
const SPARE: usize = 64;

/// Number of workers that are copied while the lock is held once. A worker takes a tenth of a microsecond, and three times as
/// long if the processor's caches hold something else by then.
const BATCH: usize = 32;

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
    let mut last = None;
    loop {
        last = core.with(|state, now| {
            let last = copy_workers(state, now, last, &sample.places, &mut places, &mut running);
            if last.is_none() {
                sample.figures = figures(state, now);
            }
            last
        });
        if last.is_none() {
            break;
        }
    }
    sample.places = places;
    let longest = longest(running);
    sample.longest = core.with(|state, _| {
        let id = |&(_, place, job): &Running| Some((place, state.id(job)?));
        longest.iter().filter_map(id).collect()
    });
}

/// Copies the next workers after this one. Returns the last of them if there may be others: a worker that starts
/// meanwhile comes after all that were there before.
fn copy_workers(
    state: &State,
    now: Time,
    after: Option<WorkerId>,
    known: &[Option<WorkerSample>],
    places: &mut Vec<Option<WorkerSample>>,
    running: &mut Vec<Running>,
) -> Option<WorkerId> {
    let mut copied = (0, None);
    for (&id, slot) in state.slots.range((after.map_or(Unbounded, Excluded), Unbounded)).take(BATCH) {
        copied = (copied.0 + 1, Some(id));
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
    copied.1.filter(|_| copied.0 == BATCH)
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
    use crate::limits::PoolLimits;
    use crate::pool::simulation::recipe::recipe;
    use procpool_scheduler::{Config, Event, Scheduler};
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn every_worker_of_a_large_pool_is_in_its_place() {
        for workers in [1, BATCH, 2 * BATCH, 2 * BATCH + 7] {
            let config = Config { min_workers: workers, max_workers: workers, ..Config::default() };
            let scheduler = Scheduler::new(config, 1).unwrap();
            let (spawns, _starts) = mpsc::unbounded_channel();
            let core = Core::new(recipe(), PoolLimits::default(), scheduler, spawns, None, None);
            core.feed(Event::Start);
            let mut sample = PoolSample::default();
            for _ in 0..2 {
                copy(&core, &mut sample);
                let numbers: Vec<_> = sample.places.iter().flatten().map(|worker| worker.number).collect();
                assert_eq!((sample.places.len(), numbers.len()), (workers, workers));
                assert!(numbers.is_sorted() && numbers.windows(2).all(|two| two[0] < two[1]));
                assert_eq!(sample.figures.max_workers, workers, "the figures are there, too");
            }
        }
    }

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
