//! Small jobs over HTTP, beside a server that only says OK and beside Node's.

use super::{Kit, server};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::floor::Server;
use crate::http::Question;
use crate::places;
use crate::script::Needs;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::process::Command;

/// As `wrk -c32` has them.
const CONNECTIONS: usize = 32;

pub(super) async fn row(kit: Kit) -> Result<Row> {
    let time = turn(&kit);
    let config = "[pools.ping]\ncommand = [\"procpool-ping\"]\nmin_workers = 2\nmax_workers = 2\n";
    let ours = server(config).await?;
    let ours = Asked::boxed("procpool", ours, job, CONNECTIONS, time);
    let mut hyper = Command::new(places::file("bench-floor")?);
    hyper.arg("hyper");
    let hyper = Server::start(hyper).await?;
    let hyper = Asked::boxed("bare hyper", hyper, |it| Question::get(it, "/"), CONNECTIONS, time);
    let name = "Node http + Piscina";
    let node = peer(&kit, name, Needs::Piscina, "http.js", CONNECTIONS).await;
    Ok(Row::new("http", "POST /v1/pools/ping/jobs, 32 connections", "requests/s", ours)
        .beside(hyper)
        .peer(name, node)
        .goal(Goal::AtLeast(0.5, "bare hyper"))
        .goal(Goal::AtLeast(4.0, name)))
}

/// Returns a peer's server, which is asked the same question as ours.
///
/// # Errors
/// Why it is missing.
pub(super) async fn peer(
    kit: &Kit,
    name: &'static str,
    needs: Needs,
    script: &str,
    connections: usize,
) -> std::result::Result<Box<dyn Contestant>, String> {
    let server = Server::start(kit.peers.server(needs, script)?).await.map_err(|error| error.to_string())?;
    Ok(Asked::boxed(name, server, job, connections, turn(kit)))
}

pub(super) fn job(address: SocketAddr) -> Question {
    Question::post(address, "/v1/pools/ping/jobs", "\"ping\"")
}

/// The time of a turn.
pub(super) fn turn(kit: &Kit) -> Duration {
    Duration::from_millis(kit.args.effort(2_000) as u64)
}

/// A server that is asked on this number of connections.
pub(super) struct Asked {
    name: &'static str,
    question: Question,
    connections: usize,
    time: Duration,
    _server: Server,
}

impl Asked {
    pub(super) fn boxed(
        name: &'static str,
        server: Server,
        question: impl FnOnce(SocketAddr) -> Question,
        connections: usize,
        time: Duration,
    ) -> Box<dyn Contestant> {
        Box::new(Self { name, question: question(server.address), connections, time, _server: server })
    }
}

impl Contestant for Asked {
    fn name(&self) -> &str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            self.question.ask(self.connections, self.time / 10).await?;
            let (latencies, rate) = self.question.ask(self.connections, self.time).await?;
            Ok(Measured { value: rate, latencies })
        })
    }
}
