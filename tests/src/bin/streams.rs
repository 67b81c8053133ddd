//! A pool whose jobs emit chunks, as a program of the chaos run: `streams SEED KILL_EVERY_MS`. Goes on until its standard input
//! ends, then tells what it has seen, as JSON. Everything is in the library.
#![allow(clippy::print_stdout, reason = "it answers there")]

use procpool_tests::chaos::streams;
use std::error::Error;
use std::io::Read;
use std::time::Duration;
use tokio::sync::watch;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let (seed, mean) =
        (numbers.next().ok_or("streams SEED KILL_EVERY_MS")??, numbers.next().unwrap_or(Ok(100))?);
    let (end, ending) = watch::channel(false);
    // A thread of its own: its read cannot be called off.
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        end.send_replace(true);
    });
    let seen = streams::run(seed, Duration::from_millis(mean), ending).await?;
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}
