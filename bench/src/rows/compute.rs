//! The square roots of Node's worker-threads tutorial: the same bits as Node's, sooner.

use super::Kit;
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::places;
use crate::script::Needs;
use procpool::Pool;
use procpool_compute::Compute;
use std::time::Instant;

const N: u64 = 50_000_000;

pub(super) async fn row(kit: Kit) -> Result<Row> {
    let pool = Pool::builder(places::worker("procpool-compute")?).workers(1..=1).start().await?;
    let node = kit.peers.script("Node", Needs::Node, "compute.js", &[N.to_string()]);
    Ok(Row::new("compute", "compute(50,000,000) as a job", "ms", Box::new(Ours(pool)))
        .peer("Node", node)
        .goal(Goal::Faster(2.0, "Node")))
}

struct Ours(Pool<Compute>);

impl Contestant for Ours {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let begun = Instant::now();
            let sum = self.0.run(N).await?;
            let took = begun.elapsed().as_secs_f64() * 1e3;
            if sum.to_string() != "235702256859.7696" {
                return Err(format!("other digits than Node's: {sum}").into());
            }
            Ok(Measured::value(took))
        })
    }
}
