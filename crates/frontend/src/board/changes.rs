//! Finds what happened between two samples of the pools: deaths, and marks for plots. Does not: write them.

use procpool_protocol::engine::{PoolSample, SampleFigures, WorkerState};

/// Something rare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) pool: String,
    pub(super) what: What,
}

/// The kinds of rare things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A worker is gone that had not been asked to exit.
    Death {
        place: usize,
        number: u64,
    },
    /// The pool is new.
    Added,
    /// The pool is gone.
    Removed,
    /// An executable is being tried.
    Reload,
    /// This generation is in service.
    Generation(u64),
    Breaker {
        is_open: bool,
    },
    Paused(bool),
    Draining(bool),
    /// Its size or its queue is another one.
    Limits {
        min: usize,
        max: usize,
        queue: usize,
    },
}

/// Returns what happened in between. At the first sample, nothing has.
pub(super) fn between(before: &[PoolSample], now: &[PoolSample]) -> Vec<Change> {
    let mut changes = Vec::new();
    for sample in now {
        let change = |what| Change { pool: sample.name.clone(), what };
        match before.iter().find(|it| it.name == sample.name) {
            Some(earlier) => {
                changes.extend(deaths(earlier, sample).map(change));
                changes.extend(marks(&earlier.figures, &sample.figures).map(change));
            }
            None => changes.push(change(What::Added)),
        }
    }
    let is_gone = |it: &&PoolSample| now.iter().all(|sample| sample.name != it.name);
    let gone = before.iter().filter(is_gone);
    changes.extend(gone.map(|it| Change { pool: it.name.clone(), what: What::Removed }));
    changes
}

fn deaths<'a>(before: &'a PoolSample, now: &'a PoolSample) -> impl Iterator<Item = What> + 'a {
    before.places.iter().enumerate().filter_map(|(place, worker)| {
        let worker = (*worker)?;
        let is_there = now.places.get(place).copied().flatten().is_some_and(|it| it.number == worker.number);
        let is_death = !is_there && worker.state != WorkerState::Retiring;
        is_death.then_some(What::Death { place, number: worker.number })
    })
}

fn marks(before: &SampleFigures, now: &SampleFigures) -> impl Iterator<Item = What> + use<> {
    let limits = |it: &SampleFigures| (it.min_workers, it.max_workers, it.queue_limit);
    let (min, max, queue) = limits(now);
    [
        (!before.reloading && now.reloading).then_some(What::Reload),
        (before.generation != now.generation).then_some(What::Generation(now.generation)),
        (before.breaker_open != now.breaker_open).then_some(What::Breaker { is_open: now.breaker_open }),
        (before.paused != now.paused).then_some(What::Paused(now.paused)),
        (before.draining != now.draining).then_some(What::Draining(now.draining)),
        (limits(before) != limits(now)).then_some(What::Limits { min, max, queue }),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::engine::WorkerSample;

    fn pool(workers: &[(u64, WorkerState)]) -> PoolSample {
        let mut sample = PoolSample::new("fib");
        let worker = |&(number, state)| Some(WorkerSample::new(number, state));
        sample.places = workers.iter().map(worker).collect();
        sample
    }

    fn whats(before: &PoolSample, now: &PoolSample) -> Vec<What> {
        between(std::slice::from_ref(before), std::slice::from_ref(now))
            .into_iter()
            .map(|it| it.what)
            .collect()
    }

    #[test]
    fn a_worker_that_is_replaced_or_gone_died_unless_it_was_asked_to_exit() {
        use WorkerState::{Busy, Idle, Retiring, Starting};
        let before = pool(&[(1, Busy), (2, Retiring), (3, Idle), (4, Idle)]);
        let now = pool(&[(5, Starting), (6, Starting), (3, Busy)]);
        let deaths = [What::Death { place: 0, number: 1 }, What::Death { place: 3, number: 4 }];
        assert_eq!(whats(&before, &now), deaths);
        assert_eq!(whats(&now, &now), []);
    }

    #[test]
    fn each_turn_of_a_pool_is_a_mark() {
        let (before, mut now) = (pool(&[]), pool(&[]));
        now.figures.reloading = true;
        now.figures.breaker_open = true;
        now.figures.max_workers = 8;
        let marks =
            [What::Reload, What::Breaker { is_open: true }, What::Limits { min: 0, max: 8, queue: 0 }];
        assert_eq!(whats(&before, &now), marks);
        let (mut later, before) = (now.clone(), now);
        (later.figures.reloading, later.figures.generation) = (false, 1);
        (later.figures.paused, later.figures.draining) = (true, true);
        let marks = [What::Generation(1), What::Paused(true), What::Draining(true)];
        assert_eq!(whats(&before, &later), marks);
    }

    #[test]
    fn pools_come_and_go() {
        let change = |what| Change { pool: "fib".into(), what };
        assert_eq!(between(&[], &[pool(&[])]), [change(What::Added)]);
        assert_eq!(between(&[pool(&[])], &[]), [change(What::Removed)]);
    }
}
