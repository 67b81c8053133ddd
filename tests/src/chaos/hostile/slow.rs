//! A client that takes its answer byte by byte, into the smallest buffer that there is, and looks after a while whether anybody
//! still keeps it for it.

use super::{given_up, large, pool, until_closed};
use crate::chaos::books::Reply;
use crate::chaos::random::Random;
use crate::chaos::run::Run;
use crate::http;
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// The kernel makes more of it.
const BUFFER: u32 = 1;

/// How long it is slow: longer than the server's `write_timeout`.
const DRIBBLES: Duration = Duration::from_secs(8);

/// Between two bytes.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn visit(run: &Run, random: &mut Random) -> Result<(), String> {
    let (number, name) = pool();
    let (task, sent) = (large(random), run.clock.now());
    let end = given_up(async { dribble(ask(run, &task.path(name), &task.body).await?).await }).await;
    run.record(number, &task, &Reply::HungUp, sent..run.clock.now());
    end
}

async fn ask(run: &Run, path: &str, body: &str) -> io::Result<TcpStream> {
    let json = [("Content-Type", "application/json")];
    let stream = connect(run).await?;
    http::send(stream, &run.server.to_string(), "POST", path, &json, body.as_bytes()).await
}

async fn connect(run: &Run) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.connect(run.server).await
}

/// The part of the answer that the server's kernel holds comes in any case, and is followed by the end of the
/// connection.
async fn dribble(mut stream: TcpStream) -> io::Result<()> {
    let _ = timeout(DRIBBLES, bytes(&mut stream)).await;
    until_closed(stream).await
}

async fn bytes(stream: &mut TcpStream) -> io::Result<()> {
    while stream.read(&mut [0]).await? > 0 {
        // sleep: what makes it slow.
        sleep(PAUSE).await;
    }
    Ok(())
}
