//! Clients that stop halfway: amid a head or a body, after it, or by being gone.

use super::{pool, until_closed};
use crate::chaos::books::Reply;
use crate::chaos::random::Random;
use crate::chaos::run::Run;
use crate::chaos::task::{Kind, Task};
use crate::http;
use std::io;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Longest time for which one that vanishes stays, in milliseconds.
const STAY: u64 = 20;

pub(super) async fn head(run: &Run) -> io::Result<()> {
    wait_after(run, &half_head()).await
}

pub(super) async fn body(run: &Run) -> io::Result<()> {
    wait_after(run, &half_body(run)).await
}

async fn wait_after(run: &Run, part: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(run.server).await?;
    stream.write_all(part.as_bytes()).await?;
    until_closed(stream).await
}

/// It gets the answer that it waits for.
pub(super) async fn closed(run: &Run, random: &mut Random) -> Result<(), String> {
    let (number, name) = pool();
    let (task, sent) = (Task::draw(Kind::Nap, random, None), run.clock.now());
    let answer = async {
        let mut stream = post(run, &task, name).await?;
        stream.shutdown().await?;
        http::finish(stream).await
    };
    let (reply, end) = match answer.await {
        Ok(answer) => (Reply::Answered(answer.into()), Ok(())),
        Err(error) => (Reply::None(error.to_string()), Err(error.to_string())),
    };
    run.record(number, &task, &reply, sent..run.clock.now());
    end
}

/// Nobody ever hears of it again: gone amid a head or a body, in the queue, amid its job's run or after that.
pub(super) async fn vanishing(run: &Run, random: &mut Random) {
    let stay = random.millis(0, STAY);
    let part = match random.below(3) {
        0 => half_head(),
        1 => half_body(run),
        _ => return vanish_with_a_job(run, stay, Task::draw(Kind::Nap, random, None)).await,
    };
    let stream = TcpStream::connect(run.server).await;
    if let Ok(mut stream) = stream {
        let _ = stream.write_all(part.as_bytes()).await;
        // sleep: what it stays for.
        sleep(stay).await;
    }
}

async fn vanish_with_a_job(run: &Run, stay: Duration, task: Task) {
    let ((number, name), sent) = (pool(), run.clock.now());
    let stream = post(run, &task, name).await;
    // sleep: what it stays for.
    sleep(stay).await;
    drop(stream);
    run.record(number, &task, &Reply::HungUp, sent..run.clock.now());
}

async fn post(run: &Run, task: &Task, pool: &str) -> io::Result<TcpStream> {
    http::try_open(run.server, "POST", &task.path(pool), &[JSON], task.body.as_bytes()).await
}

fn half_head() -> String {
    "POST /v1/pools/plain/jobs HTTP/1.1\r\nHost: local".into()
}

fn half_body(run: &Run) -> String {
    let (_, name) = pool();
    let (host, length) = (run.server, 1_000_000);
    format!(
        "POST /v1/pools/{name}/jobs HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{{\"echo\":\"half of"
    )
}
