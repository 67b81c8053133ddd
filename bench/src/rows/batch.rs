//! Many lines by `procpool batch`, beside as many requests of their own on connections that are kept.

use super::http::{Asked, turn};
use super::{Kit, server};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::floor::Server;
use crate::http::Question;
use crate::places;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Instant;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const CONFIG: &str = "[pools.fib]\ncommand = [\"procpool-fib\"]\nmin_workers = 2\nmax_workers = 2\n";

/// As one client of `POST …/jobs` has them.
const CONNECTIONS: usize = 32;

const REQUESTS: &str = "32 connections";

pub(super) async fn row(kit: Kit) -> Result<Row> {
    let ours = server(CONFIG).await?;
    let ours = Batch { address: ours.address, lines: kit.args.effort(100_000), _server: ours };
    let single = server(CONFIG).await?;
    let single = Asked::boxed(
        REQUESTS,
        single,
        |it| Question::post(it, "/v1/pools/fib/jobs", "20"),
        CONNECTIONS,
        turn(&kit),
    );
    Ok(Row::new("batch", "lines of `20` by `procpool batch fib -`", "jobs/s", Box::new(ours))
        .beside(single)
        .goal(Goal::AtLeast(1.0, REQUESTS)))
}

struct Batch {
    address: SocketAddr,
    lines: usize,
    _server: Server,
}

impl Contestant for Batch {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let mut command = Command::new(places::file("procpool")?);
            command.args(["batch", "fib", "-", "--server", &format!("http://{}", self.address)]);
            let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let begun = Instant::now();
            let mut batch = command.spawn()?;
            let mut lines = batch.stdin.take().ok_or("no standard input")?;
            lines.write_all("20\n".repeat(self.lines).as_bytes()).await?;
            drop(lines);
            let end = batch.wait().await?;
            if !end.success() {
                return Err(format!("the batch ended with {end}").into());
            }
            Ok(Measured::value(self.lines as f64 / begun.elapsed().as_secs_f64()))
        })
    }
}
