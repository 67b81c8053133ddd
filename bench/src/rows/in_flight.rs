//! Many small jobs at once: what a job costs where there is always another one.

use super::{Kit, ping};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::script::Needs;
use procpool::{Job, Pool};
use procpool_ping::Ping;
use std::time::Instant;

const LANES: usize = 256;

pub(super) async fn row(kit: Kit) -> Result<Row> {
    let ours = Ours { pool: ping(2).await?, count: kit.args.effort(200_000) };
    let piscina = [LANES.to_string(), kit.args.effort(100_000).to_string()];
    let procspawn = [LANES.to_string(), kit.args.effort(10_000).to_string()];
    Ok(Row::new("in-flight", "256 small jobs in flight, two workers", "jobs/s", Box::new(ours))
        .peer("Piscina", kit.peers.script("Piscina", Needs::Piscina, "piscina.js", &piscina))
        .peer("procspawn", kit.peers.script("procspawn", Needs::Procspawn, "jobs", &procspawn))
        .goal(Goal::AtLeast(50.0, "Piscina"))
        .goal(Goal::Above(1e6)))
}

struct Ours {
    pool: Pool<Ping>,
    count: usize,
}

impl Contestant for Ours {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        let (pool, count) = (self.pool.clone(), self.count);
        Box::pin(async move { Ok(Measured::value(rate(&pool, LANES, count).await?)) })
    }
}

/// Returns the jobs a second with this number of lanes, each of which has one job in flight.
pub(super) async fn rate<J: Job<Input = String>>(pool: &Pool<J>, lanes: usize, count: usize) -> Result<f64> {
    let count = count.div_ceil(lanes) * lanes;
    let share = count / lanes;
    let begun = Instant::now();
    let lanes: Vec<_> = (0..lanes)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..share {
                    pool.run("ping".into()).await?;
                }
                Ok::<_, procpool::JobError>(())
            })
        })
        .collect();
    for lane in lanes {
        lane.await??;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}
