//! One small typed job after another: what a job costs that nobody waits beside.

use super::{Kit, ping};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn, by};
use crate::floor::Echo;
use crate::placement::Placement;
use crate::script::Needs;
use procpool::{Job, Pool};
use std::time::Instant;

/// Bytes of the floor's messages: as many as a frame of this job has.
const FLOOR_BYTES: usize = 64;

pub(super) async fn row(kit: Kit) -> Result<Row> {
    let count = kit.args.effort(10_000);
    let (ours, floor) = contestants(Placement::Apart, count).await?;
    let python = |pool: &str, count: usize| [pool.to_owned(), count.to_string()];
    let few = kit.args.effort(1_000);
    let row = Row::new("sequential", "one small typed job after another, p50", "µs", ours)
        .beside(floor)
        .beside(by(
            "spawn_blocking, in this process",
            move || async move { tokio::spawn(blocking(count)).await? },
        ))
        .goal(Goal::AtMost(1.3, "raw socket echo"))
        .goal(Goal::AtMost(1.0, "Node postMessage"));
    let node = ["0".to_owned(), count.to_string()];
    let piscina = ["1".to_owned(), count.to_string()];
    let procspawn = ["1".to_owned(), few.to_string()];
    let peers = &kit.peers;
    Ok(row
        .peer("Node postMessage", peers.script("Node postMessage", Needs::Node, "post_message.js", &node))
        .peer("Piscina", peers.script("Piscina", Needs::Piscina, "piscina.js", &piscina))
        .peer("procspawn", peers.script("procspawn", Needs::Procspawn, "jobs", &procspawn))
        .peer("loky", peers.script("loky", Needs::Python, "pools.py", &python("loky", few)))
        .peer("pebble", peers.script("pebble", Needs::Python, "pools.py", &python("pebble", few)))
        .peer(
            "ProcessPoolExecutor",
            peers.script("ProcessPoolExecutor", Needs::Python, "pools.py", &python("executor", few)),
        ))
}

/// The same where nobody has to be woken from another processor: what is left is the work of both sides.
pub(super) async fn together(kit: Kit) -> Result<Row> {
    let (ours, floor) = contestants(Placement::Together, kit.args.effort(10_000)).await?;
    let what = "the same, both sides on one processor, p50";
    Ok(Row::new("sequential-together", what, "µs", ours)
        .beside(floor)
        .goal(Goal::AtMost(1.3, "raw socket echo")))
}

async fn contestants(
    placement: Placement,
    count: usize,
) -> Result<(Box<dyn Contestant>, Box<dyn Contestant>)> {
    let ours = OneByOne { name: "procpool", pool: ping(1).await?, count, placement };
    ours.pool.run("ping".into()).await?;
    let floor = Floor { echo: Echo::start(FLOOR_BYTES).await?, count, placement };
    Ok((Box::new(ours), Box::new(floor)))
}

/// One worker, one job in flight.
pub(super) struct OneByOne<J: Job> {
    pub(super) name: &'static str,
    pub(super) placement: Placement,
    pub(super) pool: Pool<J>,
    pub(super) count: usize,
}

impl<J: Job<Input = String>> Contestant for OneByOne<J> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        let (pool, count) = (self.pool.clone(), self.count);
        let work = async move {
            let mut times = Vec::with_capacity(count);
            for _ in 0..count {
                let sent = Instant::now();
                pool.run("ping".into()).await?;
                times.push(sent.elapsed());
            }
            Ok(Measured::quantile(times.into_iter().collect(), 0.5))
        };
        let worker = self.pool.workers().first().and_then(|worker| worker.pid);
        let placement = self.placement;
        Box::pin(async move {
            let _placed = placement.of(worker)?;
            tokio::spawn(work).await?
        })
    }
}

struct Floor {
    placement: Placement,
    echo: Echo,
    count: usize,
}

impl Contestant for Floor {
    fn name(&self) -> &'static str {
        "raw socket echo"
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let _placed = self.placement.of(self.echo.pid())?;
            Ok(Measured::quantile(self.echo.round_trips(self.count).await?, 0.5))
        })
    }
}

async fn blocking(count: usize) -> Result<Measured> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let sent = Instant::now();
        let _pong = tokio::task::spawn_blocking(|| procpool_ping::ping("ping")).await?;
        times.push(sent.elapsed());
    }
    Ok(Measured::quantile(times.into_iter().collect(), 0.5))
}
