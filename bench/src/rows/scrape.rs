//! A scrape of `/metrics` of twenty pools: its time, its size, and the time for which it holds the lock of a pool.
//!
//! Twenty pools of a thousand workers each would be 20,000 processes, with 32 GiB of memory of their own. The page has no
//! series that grows with workers. So twenty pools of 50 are measured beside twenty pools of one: what 50 workers do not
//! change, a thousand do not change either. The time of a pool's lock may depend on their number: the rows of `locks.rs`
//! measure it on a pool of a thousand.

use super::{Kit, server};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::floor::Server;
use crate::http::Question;
use std::time::Duration;

const POOLS: usize = 20;

/// Number of workers of each pool: a thousand together.
const WORKERS: usize = 50;

const ONE_WORKER: &str = "pools of one worker";

pub(super) async fn time(kit: Kit) -> Result<Row> {
    let time = Duration::from_millis(kit.args.effort(2_000) as u64);
    let scrape = |name, server| Box::new(Scrape { name, server, time });
    let what = "/metrics of 20 pools of 50 workers, p99";
    Ok(Row::new("scrape", what, "µs", scrape("procpool", twenty(kit.args.effort(WORKERS)).await?))
        .beside(scrape(ONE_WORKER, twenty(1).await?))
        .goal(Goal::Below(5_000.0)))
}

pub(super) async fn size(kit: Kit) -> Result<Row> {
    let ours = size_of(&kit, "Accept-Encoding: gzip\r\n").await?;
    Ok(Row::new("scrape-size", "/metrics of 20 pools, as Prometheus takes it (gzip)", "KB", ours)
        .goal(Goal::Below(100.0)))
}

pub(super) async fn plain_size(kit: Kit) -> Result<Row> {
    let ours = size_of(&kit, "").await?;
    Ok(Row::new("scrape-size-plain", "/metrics of 20 pools, not compressed", "KB", ours)
        .goal(Goal::Below(100.0)))
}

async fn size_of(kit: &Kit, head: &'static str) -> Result<Box<dyn Contestant>> {
    Ok(Box::new(Size { server: twenty(kit.args.effort(WORKERS)).await?, head }))
}

/// A server of twenty pools, each of whose workers is ready.
async fn twenty(workers: usize) -> Result<Server> {
    let pool = |number| {
        format!(
            "[pools.pool-{number:02}]\ncommand = [\"procpool-ping\"]\nmin_workers = {workers}\n\
             max_workers = {workers}\n"
        )
    };
    let pools: String = (0..POOLS).map(pool).collect();
    let server = server(&pools).await?;
    let question = Question::get(server.address, "/readyz");
    while question.once().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(server)
}

struct Scrape {
    name: &'static str,
    server: Server,
    time: Duration,
}

impl Contestant for Scrape {
    fn name(&self) -> &str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let (latencies, _) = Question::get(self.server.address, "/metrics").ask(1, self.time).await?;
            Ok(Measured::quantile(latencies, 0.99))
        })
    }
}

struct Size {
    server: Server,
    head: &'static str,
}

impl Contestant for Size {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let question = Question::get_with(self.server.address, "/metrics", self.head);
            // The first scrape has no memory and no processor time of workers.
            question.once().await?;
            Ok(Measured::value(question.once().await?.len() as f64 / 1_000.0))
        })
    }
}
