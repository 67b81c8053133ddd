//! A scrape of `/metrics` of twenty pools.

use super::{Kit, server};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::floor::Server;
use crate::http::Question;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const POOLS: usize = 20;

/// Workers of each pool. The page does not grow with their number.
const WORKERS: usize = 50;

pub(super) async fn time(kit: Kit) -> Result<Row> {
    let time = Duration::from_millis(kit.args.effort(2_000) as u64);
    let ours = Box::new(Scrape { server: twenty(&kit).await?, time });
    Ok(Row::new("scrape", "/metrics of 20 pools of 50 workers, p99", "µs", ours).goal(Goal::Below(5_000.0)))
}

pub(super) async fn size(kit: Kit) -> Result<Row> {
    let ours = Box::new(Size { server: twenty(&kit).await? });
    Ok(Row::new("scrape-size", "/metrics of 20 pools, as Prometheus takes it", "KB", ours)
        .goal(Goal::Below(100.0)))
}

/// A server of twenty pools, each of whose workers is ready.
async fn twenty(kit: &Kit) -> Result<Server> {
    let workers = kit.args.effort(WORKERS);
    let pool = |number| {
        format!(
            "[pools.pool-{number:02}]\ncommand = [\"procpool-ping\"]\nmin_workers = {workers}\n\
             max_workers = {workers}\n"
        )
    };
    let pools: String = (0..POOLS).map(pool).collect();
    let server = server(&pools).await?;
    let question = Question::get(server.address, "/readyz");
    while question.ask(1, Duration::from_millis(1)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(server)
}

struct Scrape {
    server: Server,
    time: Duration,
}

impl Contestant for Scrape {
    fn name(&self) -> &'static str {
        "procpool"
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
}

impl Contestant for Size {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let mut stream = TcpStream::connect(self.server.address).await?;
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\
                           Connection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok(Measured::value(answer.len() as f64 / 1_000.0))
        })
    }
}
