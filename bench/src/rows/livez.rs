//! Health checks while every worker computes, beside the same with nothing to do.

use super::{Kit, server};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::floor::Server;
use crate::http::Question;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

pub(super) async fn row(kit: Kit) -> Result<Row> {
    let time = Duration::from_millis(kit.args.effort(2_000) as u64);
    Ok(Row::new(
        "livez",
        "/livez while every worker runs fib(45), p99",
        "µs",
        Livez::start("busy", true, time).await?,
    )
    .beside(Livez::start("idle", false, time).await?)
    .goal(Goal::AtMost(2.0, "idle")))
}

struct Livez {
    name: &'static str,
    server: Server,
    is_busy: bool,
    time: Duration,
}

impl Livez {
    async fn start(name: &'static str, is_busy: bool, time: Duration) -> Result<Box<dyn Contestant>> {
        let processors = std::thread::available_parallelism()?;
        let config = format!(
            "[pools.fib]\ncommand = [\"procpool-fib\"]\nmin_workers = {processors}\nmax_workers = {processors}\nnice = 10\n"
        );
        Ok(Box::new(Self { name, server: server(&config).await?, is_busy, time }))
    }
}

impl Contestant for Livez {
    fn name(&self) -> &str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let address = self.server.address;
            let mut jobs = Vec::new();
            for _ in 0..std::thread::available_parallelism()?.get() * usize::from(self.is_busy) {
                let mut job = TcpStream::connect(address).await?;
                let head =
                    "POST /v1/pools/fib/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n45";
                job.write_all(head.as_bytes()).await?;
                jobs.push(job);
            }
            let livez = Question::get(address, "/livez");
            livez.ask(1, self.time / 10).await?;
            let (latencies, _) = livez.ask(1, self.time).await?;
            // Hanging up cancels them.
            drop(jobs);
            Ok(Measured::quantile(latencies, 0.99))
        })
    }
}
