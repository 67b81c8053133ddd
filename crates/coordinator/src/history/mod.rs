//! The last quarter of an hour of each pool, second by second, so that who comes after an incident sees it.
//! `ring` holds the seconds, and one task a coordinator measures them. The path of a job pays nothing for it.

mod ring;

use self::ring::{Measured, Ring};
use crate::coordinator::Pools;
use crate::pool::RawPool;
use procpool_protocol::engine::{Latency, PoolHistory};
use procpool_scheduler::WorkerState;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The histories of a coordinator's pools, by name.
#[derive(Debug, Default)]
pub(crate) struct Histories(Mutex<BTreeMap<String, Ring>>);

impl Histories {
    /// Returns the last `seconds` of a pool.
    pub(crate) fn of(&self, pool: &str, seconds: usize) -> Option<PoolHistory> {
        self.lock().get(pool).map(|ring| ring.last(seconds))
    }

    /// Returns the times in the queue and with a worker of the jobs that ended in a pool's last ten seconds.
    pub(crate) fn window(&self, pool: &str) -> Option<(Latency, Latency)> {
        self.lock().get(pool).map(Ring::window)
    }

    /// Measures every pool. Forgets those that there are no longer.
    fn measure(&self, second: u64, pools: &[RawPool]) {
        let measured: Vec<_> = pools.iter().map(|pool| (pool.name(), pool.measured())).collect();
        let mut rings = self.lock();
        rings.retain(|name, _| measured.iter().any(|(pool, _)| pool == name));
        for (name, measured) in measured {
            match rings.get_mut(name) {
                Some(ring) => ring.take(second, measured),
                None => {
                    rings.insert(name.to_owned(), Ring::of(second, measured));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Ring>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to measure these pools once a second, until nobody has them any longer.
pub(crate) fn begin(pools: &Arc<Pools>) -> Arc<Histories> {
    let histories = Arc::new(Histories::default());
    let begun = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), Instant::now());
    // Time of day may be set back. This does not run back.
    let second = move || (begun.0 + begun.1.elapsed()).as_secs();
    histories.measure(second(), &pools.all());
    let (weak, kept) = (Arc::downgrade(pools), Arc::downgrade(&histories));
    tokio::spawn(async move {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (Some(pools), Some(histories)) = (weak.upgrade(), kept.upgrade()) else { return };
            histories.measure(second(), &pools.all());
        }
    });
    histories
}

impl RawPool {
    /// Returns the totals and the state from which a second is made.
    fn measured(&self) -> Measured {
        let core = self.core();
        core.with(|state, _| {
            let scheduler = &state.scheduler;
            let (refused, failed) = state.stats.refused_and_failed();
            let (wait, run) = state.stats.times();
            Measured {
                born: core.born(),
                finished: state.stats.outcomes(),
                failed,
                refused,
                deaths: scheduler.unwanted_deaths(),
                queued: scheduler.queued(),
                busy: scheduler.workers_in(WorkerState::Busy),
                workers: scheduler.alive(),
                wait,
                run,
            }
        })
    }
}
