//! The time for which those who look at a pool hold its lock. The pools are in this process. A whole round is timed, with
//! what it does before and after each lock, and divided by the number of locks: a lock is held for less. A single look would
//! tell how long a processor takes to wake up from the pause before it.

use super::{Kit, all_ready};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::places;
use procpool::raw::Admin;
use procpool::{Coordinator, CoordinatorConfig, Pool};
use procpool_ping::Ping;
use std::time::{Duration, Instant};

/// Number of pools that a scrape looks at, one after the other, each under a lock of its own.
const POOLS: usize = 20;

/// Number of workers that a tick of the stream copies under one lock.
const BATCH: usize = 32;

/// Maximum time of a lock, in microseconds.
const MOST: f64 = 20.0;

/// The pause between two looks: a lock that is taken now and then is not in the processor's cache.
const PAUSE: Duration = Duration::from_millis(1);

/// A pool's part of a scrape.
pub(super) async fn figures(kit: Kit) -> Result<Row> {
    let looks = async |name, workers| {
        let look = Box::new(|pools: &Coordinator| drop(pools.figures()));
        Looks::at(&kit, name, (POOLS, workers), POOLS, look).await
    };
    let ours = looks("20 pools of 50 workers", 50).await?;
    let beside = looks("20 pools of one worker", 1).await?;
    let row = Row::new("scrape-lock", "a pool's part of a scrape, p99", "µs", ours);
    Ok(row.beside(beside).goal(Goal::Below(MOST)))
}

/// The part of a tick of the stream for viewers that holds a lock.
pub(super) async fn sample(kit: Kit) -> Result<Row> {
    let looks = async |name, workers: usize| {
        let mut samples = Vec::new();
        let look = Box::new(move |pools: &Coordinator| pools.sample(&mut samples));
        // The last batch is the one that finds no further worker.
        Looks::at(&kit, name, (1, workers), workers / BATCH + 1, look).await
    };
    let ours = looks("a pool of 1,000 workers", 1_000).await?;
    let row = Row::new("sample-lock", "a lock's part of a tick of the stream, p99", "µs", ours);
    Ok(row.beside(looks("a pool of 200 workers", 200).await?).goal(Goal::Below(MOST)))
}

type Look = Box<dyn FnMut(&Coordinator) + Send>;

struct Looks {
    name: &'static str,
    pools: Coordinator,
    look: Look,
    /// Number of locks that a look takes, one after the other.
    locks: usize,
    count: usize,
}

impl Looks {
    async fn at(
        kit: &Kit,
        name: &'static str,
        (pools, workers): (usize, usize),
        locks: usize,
        look: Look,
    ) -> Result<Box<Self>> {
        let names: Vec<_> = (0..pools).map(|number| format!("ping-{number}")).collect();
        let pool = |name: &String| {
            let pool = Pool::<Ping>::builder(places::worker("procpool-ping")?).name(name);
            Ok(pool.workers(workers..=workers).config()?)
        };
        let configs: Vec<_> = names.iter().map(pool).collect::<Result<_>>()?;
        let pools = Coordinator::start(CoordinatorConfig::new(configs)).await?;
        for name in &names {
            all_ready(pools.pool::<Ping>(name)?, workers).await?;
        }
        Ok(Box::new(Self { name, pools, look, locks, count: kit.args.effort(2_000) }))
    }
}

impl Contestant for Looks {
    fn name(&self) -> &str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let mut times = Vec::with_capacity(self.count);
            for _ in 0..self.count {
                tokio::time::sleep(PAUSE).await;
                let begun = Instant::now();
                (self.look)(&self.pools);
                times.push(begun.elapsed() / u32::try_from(self.locks)?);
            }
            Ok(Measured::quantile(times.into_iter().collect(), 0.99))
        })
    }
}
