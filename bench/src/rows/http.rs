//! Small jobs over HTTP, beside a server that only says OK and beside Node's.

use super::{Kit, server};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::floor::Server;
use crate::http::Question;
use crate::places;
use crate::script::Needs;
use std::time::Duration;
use tokio::process::Command;

/// As `wrk -c32` has them.
const CONNECTIONS: usize = 32;

pub(super) async fn row(kit: Kit) -> Result<Row> {
    let time = Duration::from_millis(kit.args.effort(2_000) as u64);
    let config = "[pools.ping]\ncommand = [\"procpool-ping\"]\nmin_workers = 2\nmax_workers = 2\n";
    let ours = server(config).await?;
    let job = |address| Question::post(address, "/v1/pools/ping/jobs", "\"ping\"");
    let ours = Asked::boxed("procpool", ours, job, time);
    let mut hyper = Command::new(places::file("bench-floor")?);
    hyper.arg("hyper");
    let hyper = Asked::boxed("bare hyper", Server::start(hyper).await?, |it| Question::get(it, "/"), time);
    let name = "Node http + Piscina";
    let node = match kit.peers.server(Needs::Piscina, "http.js") {
        Ok(command) => {
            let node = Server::start(command).await.map_err(|error| error.to_string());
            node.map(|node| Asked::boxed(name, node, job, time))
        }
        Err(why) => Err(why),
    };
    Ok(Row::new("http", "POST /v1/pools/ping/jobs, 32 connections", "requests/s", ours)
        .beside(hyper)
        .peer(name, node)
        .goal(Goal::AtLeast(0.5, "bare hyper"))
        .goal(Goal::AtLeast(4.0, name)))
}

struct Asked {
    name: &'static str,
    question: Question,
    time: Duration,
    _server: Server,
}

impl Asked {
    fn boxed(
        name: &'static str,
        server: Server,
        question: impl FnOnce(std::net::SocketAddr) -> Question,
        time: Duration,
    ) -> Box<dyn Contestant> {
        Box::new(Self { name, question: question(server.address), time, _server: server })
    }
}

impl Contestant for Asked {
    fn name(&self) -> &str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            self.question.ask(CONNECTIONS, self.time / 10).await?;
            let (latencies, rate) = self.question.ask(CONNECTIONS, self.time).await?;
            Ok(Measured { value: rate, latencies })
        })
    }
}
