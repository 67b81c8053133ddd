//! A large payload there and back.

use super::{Blob, Kit};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::floor::Echo;
use crate::places;
use crate::script::Needs;
use procpool::{Bytes, Pool};
use std::time::Instant;

pub(super) const SIZE: usize = 16 << 20;

pub(super) async fn row(kit: Kit) -> Result<Row> {
    let count = kit.args.effort(20);
    let pool = Pool::builder(places::worker("bench-echo")?).workers(1..=1).start().await?;
    let ours = Ours { pool, input: vec![7; SIZE].into(), count };
    let node = [SIZE.to_string(), count.to_string()];
    Ok(Row::new("payload", "16 MiB there and back, p50", "µs", Box::new(ours))
        .beside(Box::new(Floor { echo: Echo::start(SIZE).await?, count }))
        .peer("Node postMessage", kit.peers.script("Node postMessage", Needs::Node, "post_message.js", &node))
        .goal(Goal::Faster(5.0, "Node postMessage")))
}

struct Ours {
    pool: Pool<Blob>,
    input: bytes::Bytes,
    count: usize,
}

impl Contestant for Ours {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(round_trips(&self.pool, &self.input, self.count))
    }
}

/// The times of this input there and back, as often as `count` says.
pub(super) async fn round_trips(pool: &Pool<Blob>, input: &bytes::Bytes, count: usize) -> Result<Measured> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let sent = Instant::now();
        let output = pool.run(Bytes::from(input.clone())).await?;
        times.push(sent.elapsed());
        assert_eq!(output.len(), input.len(), "all of it comes back");
    }
    Ok(Measured::quantile(times.into_iter().collect(), 0.5))
}

struct Floor {
    echo: Echo,
    count: usize,
}

impl Contestant for Floor {
    fn name(&self) -> &'static str {
        "raw socket echo"
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async { Ok(Measured::quantile(self.echo.round_trips(self.count).await?, 0.5)) })
    }
}
