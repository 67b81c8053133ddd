//! The first program of Node's worker-threads tutorial: message passing, nothing else.
//! `cargo run --example ping_pong`
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example prints for its user

use procpool::worker::serve_if_spawned;
use procpool::{Executable, Failure, Worker, job};

job!(Ping, "ping", String => String);

// The tutorial's pingWorker.js: what the child process runs.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve_if_spawned::<Ping>(|message, _| match message.as_str() {
        "ping" => Ok("pong".into()),
        other => Err(Failure::new(format!("expected ping, got {other}"))),
    });
    ping_pong()
}

// The tutorial's main.js.
#[tokio::main(flavor = "current_thread")]
async fn ping_pong() -> Result<(), Box<dyn std::error::Error>> {
    let mut worker = Worker::<String, String>::spawn(Executable::current()).await?;
    worker.post("ping").await?;
    println!("From worker: {}", worker.recv().await?);
    Ok(())
}
