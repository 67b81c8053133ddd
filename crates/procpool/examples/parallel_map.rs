//! A parallel map over 10,000 inputs: outcomes in order, partial failures and all.
//! `cargo run --example parallel_map`
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example prints for its user

use procpool::worker::serve_if_spawned;
use procpool::{Executable, Failure, Pool, job};

job!(Collatz, "collatz", u64 => u32);

/// Steps of the Collatz sequence from `n` to 1.
fn steps(n: u64) -> Result<u32, Failure> {
    if n == 0 {
        return Err(Failure::new("0 never reaches 1"));
    }
    let next = |n: &u64| (*n != 1).then(|| if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 });
    Ok(u32::try_from(std::iter::successors(Some(n), next).count())? - 1)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve_if_spawned::<Collatz>(|n, _| steps(n));
    map()
}

#[tokio::main(flavor = "current_thread")]
async fn map() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::<Collatz>::builder(Executable::current()).start().await?;
    // A job of a microsecond costs more on its way than at its work, so a hundred of them travel together.
    let mut outcomes = pool.map(0..10_000).chunks(100);
    let (mut n, mut longest, mut failures) = (0, (0, 0), 0);
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(steps) => longest = longest.max((steps, n)),
            Err(error) => {
                println!("{n}: {error}");
                failures += 1;
            }
        }
        n += 1;
    }
    println!("{n} inputs, {failures} failed; the longest way is that of {}: {} steps", longest.1, longest.0);
    Ok(())
}
