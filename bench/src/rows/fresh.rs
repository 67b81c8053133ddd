//! A fresh process for every job: with nobody waiting, and with a warm spare.

use super::{Kit, all_ready};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn, by};
use crate::floor;
use crate::places;
use crate::script::Needs;
use procpool::Pool;
use procpool_ping::Ping;
use std::time::{Duration, Instant};

pub(super) async fn row(kit: Kit) -> Result<Row> {
    let count = kit.args.effort(200);
    let pool = fresh_pool()?;
    let few = [kit.args.effort(50).to_string()];
    let node = kit.peers.script("Node new Worker", Needs::Node, "spawn.js", &few);
    Ok(Row::new(
        "fresh",
        "a fresh process for every job, p50",
        "µs",
        by("procpool", move || one_by_one(pool.clone(), count)),
    )
    .beside(by("spawn and wait", move || spawn_and_wait(count)))
    .peer("Node new Worker", node)
    .goal(Goal::AtMost(1.2, "spawn and wait"))
    .goal(Goal::Faster(20.0, "Node new Worker")))
}

/// Each job waits for its own process, which is forked from one that has loaded its state.
pub(super) async fn forked(kit: Kit) -> Result<Row> {
    let count = kit.args.effort(200);
    let executable = places::worker("procpool-ping")?;
    let pool =
        Pool::<Ping>::builder(executable).workers(0..=1).process_per_job(true).fork(true).start_lazy()?;
    // The template is there before the first is measured.
    pool.run("ping".into()).await?;
    let name = "a fresh process for every job, forked from a template, p50";
    Ok(Row::new("forked", name, "µs", by("procpool", move || one_by_one(pool.clone(), count)))
        .beside(by("spawn and wait", move || spawn_and_wait(count)))
        .goal(Goal::AtMost(0.5, "spawn and wait")))
}

async fn spawn_and_wait(count: usize) -> Result<Measured> {
    let work = move || floor::spawn_and_wait("procpool-ping", &["--version"], count);
    Ok(Measured::quantile(tokio::task::spawn_blocking(work).await??.into_iter().collect(), 0.5))
}

/// Nobody is kept ready: each job waits for its own process.
pub(super) fn fresh_pool() -> Result<Pool<Ping>> {
    let executable = places::worker("procpool-ping")?;
    Ok(Pool::builder(executable).workers(0..=1).process_per_job(true).start_lazy()?)
}

pub(super) async fn one_by_one(pool: Pool<Ping>, count: usize) -> Result<Measured> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        pool.run("ping".into()).await?;
        times.push(begun.elapsed());
        // The end of the last process is not the next one's burden, as it is not where jobs come now and then.
        while pool.status().workers.retiring > 0 {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    }
    Ok(Measured::quantile(times.into_iter().collect(), 0.5))
}

/// The time of a job that finds a fresh process ready; how long that took is nobody's wait.
pub(super) async fn warm(kit: Kit) -> Result<Row> {
    let pool = Pool::builder(places::worker("procpool-ping")?).workers(2..=3).process_per_job(true).spares(2);
    let pool = all_ready(pool.start().await?, 2).await?;
    let ours = Warm { pool, count: kit.args.effort(500) };
    Ok(Row::new("warm-spare", "a fresh process that is ready, p50", "µs", Box::new(ours))
        .goal(Goal::Below(100.0)))
}

struct Warm {
    pool: Pool<Ping>,
    count: usize,
}

impl Contestant for Warm {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let mut times = Vec::with_capacity(self.count);
            for _ in 0..self.count {
                // Until the replacement of the last one is there, too, and the machine is at rest.
                while self.pool.status().workers.idle < 2 {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
                let begun = Instant::now();
                self.pool.run("ping".into()).await?;
                times.push(begun.elapsed());
            }
            Ok(Measured::quantile(times.into_iter().collect(), 0.5))
        })
    }
}
