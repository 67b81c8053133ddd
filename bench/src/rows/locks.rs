//! The time for which those who look at a pool hold its lock. The pool is in this process, and the whole call is timed,
//! with what it does before and after it has the lock: the lock is held for less.

use super::{Kit, all_ready};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::places;
use procpool::raw::Admin;
use procpool::{Coordinator, CoordinatorConfig, Pool};
use procpool_ping::Ping;
use std::time::{Duration, Instant};

const WORKERS: usize = 1_000;

/// Maximum time of a lock, in microseconds.
const MOST: f64 = 20.0;

/// The pause between two looks: a lock that is taken now and then is not in the processor's cache.
const PAUSE: Duration = Duration::from_millis(1);

/// A pool's part of a scrape.
pub(super) async fn figures(kit: Kit) -> Result<Row> {
    looks(&kit, "scrape-lock", "a pool's part of a scrape, p99", || {
        Box::new(|pools: &Coordinator| drop(pools.figures()))
    })
    .await
}

/// A pool's part of a tick of the stream for viewers.
pub(super) async fn sample(kit: Kit) -> Result<Row> {
    looks(&kit, "sample-lock", "a pool's part of a tick of the stream, p99", || {
        let mut samples = Vec::new();
        Box::new(move |pools: &Coordinator| pools.sample(&mut samples))
    })
    .await
}

type Look = Box<dyn FnMut(&Coordinator) + Send>;

async fn looks(kit: &Kit, name: &'static str, what: &'static str, look: fn() -> Look) -> Result<Row> {
    let count = kit.args.effort(2_000);
    let crowd = Looks::at("1,000 workers", WORKERS, look(), count).await?;
    let few = Looks::at("one worker", 1, look(), count).await?;
    Ok(Row::new(name, what, "µs", Box::new(crowd)).beside(Box::new(few)).goal(Goal::Below(MOST)))
}

struct Looks {
    name: &'static str,
    pools: Coordinator,
    look: Look,
    count: usize,
}

impl Looks {
    async fn at(name: &'static str, workers: usize, look: Look, count: usize) -> Result<Self> {
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
