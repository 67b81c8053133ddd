//! A job with progress, chunks of output and cooperative cancel. `cargo run --example streaming`
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example prints for its user

use procpool::worker::{Context, serve_if_spawned};
use procpool::{Executable, Failure, JobError, JobEvent, Pool, job};

job!(Primes, "primes", u64 => u64, chunks Vec<u64>);

/// Emits the primes below `limit` in chunks of a hundred and returns how many there are.
fn primes(limit: u64, cx: &Context<Primes>) -> Result<u64, Failure> {
    let (mut count, mut chunk) = (0, Vec::new());
    for n in 2..limit {
        // Ends the job as cancelled as soon as nobody wants it any longer. Otherwise SIGKILL would.
        cx.check()?;
        if (2..).take_while(|d| d * d <= n).all(|d| n % d != 0) {
            count += 1;
            chunk.push(n);
        }
        if chunk.len() == 100 {
            // Blocks while the reader is behind, so that neither side buffers without bound.
            cx.emit(std::mem::take(&mut chunk))?;
            cx.progress(n, Some(limit));
        }
    }
    cx.emit(chunk)?;
    Ok(count)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve_if_spawned::<Primes>(primes);
    stream()
}

#[tokio::main(flavor = "current_thread")]
async fn stream() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::<Primes>::builder(Executable::current()).start().await?;

    let mut job = pool.submit(10_000).await?;
    while let Some(event) = job.next_event().await {
        match event? {
            JobEvent::Chunk(primes) => println!("{} more, up to {:?}", primes.len(), primes.last()),
            JobEvent::Progress { done, total, .. } => println!("looked at {done} of {total:?}"),
            _ => {}
        }
    }
    println!("{} primes in all", job.await?);

    // A job that would take for ever, and a caller who has seen enough.
    let mut job = pool.submit(u64::MAX).await?;
    let _first = job.next_event().await;
    job.cancel();
    match job.await {
        Err(JobError::Cancelled { .. }) => println!("cancelled, and the worker is ready for the next job"),
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}
