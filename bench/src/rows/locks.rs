//! The time for which those who look at a pool hold its lock. The pool is in this process, and the whole call is timed,
//! with what it does before and after it has the lock: the lock is held for less. A tick of the stream takes the lock anew
//! for every 32 workers, so its goal counts for a pool of 32.

use super::{Kit, all_ready};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::places;
use procpool::raw::Admin;
use procpool::{Coordinator, CoordinatorConfig, Pool};
use procpool_ping::Ping;
use std::time::{Duration, Instant};

const CROWD: (&str, usize) = ("1,000 workers", 1_000);

/// As many workers as a tick of the stream copies at a time.
const BATCH: (&str, usize) = ("32 workers", 32);

/// Maximum time of a lock, in microseconds.
const MOST: f64 = 20.0;

/// The pause between two looks: a lock that is taken now and then is not in the processor's cache.
const PAUSE: Duration = Duration::from_millis(1);

/// A pool's part of a scrape.
pub(super) async fn figures(kit: Kit) -> Result<Row> {
    looks(&kit, "scrape-lock", "a pool's part of a scrape, p99", [CROWD, BATCH], || {
        Box::new(|pools: &Coordinator| drop(pools.figures()))
    })
    .await
}

/// A pool's part of a tick of the stream for viewers.
pub(super) async fn sample(kit: Kit) -> Result<Row> {
    looks(&kit, "sample-lock", "a pool's part of a tick of the stream, p99", [BATCH, CROWD], || {
        let mut samples = Vec::new();
        Box::new(move |pools: &Coordinator| pools.sample(&mut samples))
    })
    .await
}

type Look = Box<dyn FnMut(&Coordinator) + Send>;

/// A row of pools of these sizes, of which the first has the goal.
async fn looks(
    kit: &Kit,
    name: &'static str,
    what: &'static str,
    sizes: [(&'static str, usize); 2],
    look: fn() -> Look,
) -> Result<Row> {
    let count = kit.args.effort(2_000);
    let mut pools = Vec::new();
    for size in sizes {
        pools.push(Box::new(Looks::at(size, look(), count).await?));
    }
    let [first, other] = <[_; 2]>::try_from(pools).map_err(|_| "two pools")?;
    Ok(Row::new(name, what, "µs", first).beside(other).goal(Goal::Below(MOST)))
}

struct Looks {
    name: &'static str,
    pools: Coordinator,
    look: Look,
    count: usize,
}

impl Looks {
    async fn at((name, workers): (&'static str, usize), look: Look, count: usize) -> Result<Self> {
        let pool = Pool::<Ping>::builder(places::worker("procpool-ping")?).workers(workers..=workers);
        let pools = Coordinator::start(CoordinatorConfig::new([pool.config()?])).await?;
        all_ready(pools.pool::<Ping>("ping")?, workers).await?;
        Ok(Self { name, pools, look, count })
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
                times.push(begun.elapsed());
            }
            Ok(Measured::quantile(times.into_iter().collect(), 0.99))
        })
    }
}
