//! A batch with a progress bar: inputs from an iterator, outcomes in order, and a line on standard error that counts them.
//! `cargo run --example progress >sums.txt`
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example talks to the person who runs it

use procpool::worker::serve_if_spawned;
use procpool::{Executable, Failure, Pool, job};
use std::io::{self, Write};

job!(Sum, "sum", String => u64);

/// Adds the numbers of a line.
fn sum(line: &str) -> Result<u64, Failure> {
    let mut sum = 0u64;
    for word in line.split_whitespace() {
        let number: u64 = word.parse().map_err(|error| Failure::new(format!("`{word}`: {error}")))?;
        sum = sum.checked_add(number).ok_or("the sum is too large")?;
    }
    Ok(sum)
}

/// Counts on one line of standard error, which each further line overwrites.
struct Progress {
    total: u64,
    done: u64,
    failed: u64,
}

impl Progress {
    fn count<T, E>(&mut self, outcome: &Result<T, E>) {
        self.done += 1;
        self.failed += u64::from(outcome.is_err());
        // A hundred lines for the whole batch, however long it is.
        if self.done == self.total || self.done.is_multiple_of(self.total.div_ceil(100)) {
            let Self { total, done, failed } = self;
            let width = usize::try_from(*done * 40 / *total).unwrap_or(40);
            eprint!("\r[{:40}] {done} of {total}, {failed} failed", "#".repeat(width));
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve_if_spawned::<Sum>(|line, _| sum(&line));
    batch()
}

#[tokio::main(flavor = "current_thread")]
async fn batch() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::<Sum>::builder(Executable::current()).start().await?;
    let lines = (0..20_000).map(|n| if n == 77 { "seven".into() } else { format!("{n} 1") });
    let mut progress = Progress { total: 20_000, done: 0, failed: 0 };
    let mut out = io::BufWriter::new(io::stdout().lock());
    // 100 lines travel in one message, and each has an outcome of its own.
    let mut outcomes = pool.map(lines).chunks(100);
    while let Some(outcome) = outcomes.next().await {
        progress.count(&outcome);
        match outcome {
            Ok(sum) => writeln!(out, "{sum}")?,
            Err(error) => writeln!(out, "{error}")?,
        }
    }
    eprintln!();
    out.flush()?;
    Ok(())
}
