//! The second program of Node's worker-threads tutorial: CPU-bound work in a process of its own, while a
//! ticker shows that the async side stays responsive. `cargo run --example fib`
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example prints for its user

use procpool::worker::serve_if_spawned;
use procpool::{Executable, job, run_once};
use std::time::Duration;

job!(Fib, "fib", u64 => u64);

// The tutorial's fibWorker.js: what the child process runs.
fn fib(n: u64) -> u64 {
    if n <= 1 { n } else { fib(n - 1) + fib(n - 2) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve_if_spawned::<Fib>(|n, _| Ok(fib(n)));
    calculate()
}

// The tutorial's main.js.
#[tokio::main(flavor = "current_thread")]
async fn calculate() -> Result<(), Box<dyn std::error::Error>> {
    println!("Starting Fibonacci...");
    let ticker = tokio::spawn(async {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        loop {
            tick.tick().await;
            println!("tick: the event loop is responsive");
        }
    });
    let result = run_once::<Fib>(Executable::current(), 40).await?;
    ticker.abort();
    println!("Fib result: {result}");
    Ok(())
}
