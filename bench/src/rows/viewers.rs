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

/// Number of viewers.
const VIEWERS: usize = 10;

/// Number of workers of the pool.
const WORKERS: usize = 1_000;

/// Longer than the server keeps its sampler for a viewer who comes back.
const LONG: Duration = Duration::from_secs(8);

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

/// The time just after the last viewer, beside the time long after. A ratio of less than 1 is noise: the sampler has no work in
/// either.
pub(super) async fn gone(kit: Kit) -> Result<Row> {
    let server = Arc::new(crowd().await?);
    let time = turn(&kit);
    let left = |name, pause| Box::new(Left { name, server: server.clone(), pause, time });
    Ok(Row::new(
        "viewers-gone",
        "small jobs after the last viewer has left",
        "requests/s",
        left("just after", Duration::ZERO),
    )
    .beside(left("long after", LONG))
    .goal(Goal::AtLeast(0.98, "long after")))
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

/// Jobs after viewers have been there.
struct Left {
    name: &'static str,
    server: Arc<Server>,
    /// Time between the last viewer and the jobs.
    pause: Duration,
    time: Duration,
}

impl Contestant for Left {
    fn name(&self) -> &str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            drop(Viewers::join(self.server.address, VIEWERS).await?);
            tokio::time::sleep(self.pause).await;
            jobs(&self.server, self.time).await
        })
    }
}
