//! Small jobs over HTTP while people watch a pool of a thousand workers, beside the same with nobody there.
//!
//! The jobs run on the pool that is watched, so that each tick of the stream has workers that changed. Only turns of one
//! server are compared: two processes of the same program can differ by more than the goal.

use super::http::turn;
use super::{Kit, server};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::floor::Server;
use crate::http::Question;
use crate::watch::Viewers;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Number of viewers.
const VIEWERS: usize = 10;

/// Number of workers of the pool.
const WORKERS: usize = 1_000;

/// As the row `http` has them.
const CONNECTIONS: usize = 32;

/// Ten viewers, in turns with none. The server is the same, so its last turn with viewers is just over when there are none.
pub(super) async fn row(kit: Kit) -> Result<Row> {
    let server = Arc::new(crowd().await?);
    let time = turn(&kit);
    let asked = |name, viewers| Box::new(Asked { name, server: server.clone(), viewers, time });
    Ok(Row::new(
        "viewers",
        "small jobs with 10 viewers, 1,000 workers, 32 connections",
        "requests/s",
        asked("10 viewers", VIEWERS),
    )
    .beside(asked("nobody", 0))
    .goal(Goal::AtLeast(0.98, "nobody")))
}

/// The time after the last viewer, beside the time before the first. Each pair of turns has a server of its own, which is
/// measured, watched for a moment, and measured again. A ratio of less than 1 is noise: the sampler has no work in either.
pub(super) async fn gone(kit: Kit) -> Result<Row> {
    let pairs = Arc::new(Pairs { time: turn(&kit), waiting: Mutex::default() });
    let side = |name, side| Box::new(Side { name, side, pairs: pairs.clone() });
    Ok(Row::new(
        "viewers-gone",
        "small jobs after the last viewer has left",
        "requests/s",
        side("after the last", AFTER),
    )
    .beside(side("before the first", BEFORE))
    .goal(Goal::AtLeast(0.98, "before the first")))
}

/// Returns a server with a pool of a thousand workers, all of them ready.
async fn crowd() -> Result<Server> {
    let config = format!(
        "[pools.ping]\ncommand = [\"procpool-ping\"]\nmin_workers = {WORKERS}\nmax_workers = {WORKERS}\n"
    );
    let server = server(&config).await?;
    let status = Question::get(server.address, "/v1/pools/ping");
    let ready = format!("\"idle\":{WORKERS},");
    let is_ready = |status: &[u8]| String::from_utf8_lossy(status).contains(&ready);
    while !status.once().await.is_ok_and(|status| is_ready(&status)) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(server)
}

/// Returns what the load generator measures of this server.
async fn jobs(server: &Server, time: Duration) -> Result<Measured> {
    let question = super::http::job(server.address);
    question.ask(CONNECTIONS, time / 5).await?;
    let (latencies, rate) = question.ask(CONNECTIONS, time).await?;
    Ok(Measured { value: rate, latencies })
}

struct Asked {
    name: &'static str,
    server: Arc<Server>,
    viewers: usize,
    time: Duration,
}

impl Contestant for Asked {
    fn name(&self) -> &str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let viewers = Viewers::join(self.server.address, self.viewers).await?;
            let measured = jobs(&self.server, self.time).await;
            drop(viewers);
            measured
        })
    }
}

const BEFORE: usize = 0;
const AFTER: usize = 1;

/// Pairs of turns, of which one side may still have to be taken.
struct Pairs {
    time: Duration,
    waiting: Mutex<[Vec<Measured>; 2]>,
}

impl Pairs {
    /// Measures a server that nobody has watched, and the same one after some have.
    async fn measure(&self) -> Result<[Measured; 2]> {
        let server = crowd().await?;
        // Those that come first would measure a server that has done nothing yet.
        jobs(&server, self.time / 2).await?;
        let before = jobs(&server, self.time).await?;
        drop(Viewers::join(server.address, VIEWERS).await?);
        Ok([before, jobs(&server, self.time).await?])
    }

    async fn take(&self, side: usize) -> Result<Measured> {
        let mut waiting = self.waiting.lock().await;
        if let Some(measured) = waiting[side].pop() {
            return Ok(measured);
        }
        let mut pair = self.measure().await?;
        let measured = std::mem::take(&mut pair[side]);
        waiting[1 - side].push(std::mem::take(&mut pair[1 - side]));
        Ok(measured)
    }
}

struct Side {
    name: &'static str,
    side: usize,
    pairs: Arc<Pairs>,
}

impl Contestant for Side {
    fn name(&self) -> &str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(self.pairs.take(self.side))
    }
}
