//! The tutorial's Fibonacci worker with a pool in front of it: a whole program in twelve lines.
//! `cargo run --example twelve_lines`
#![allow(clippy::print_stdout)] // an example prints for its user

use procpool::{Executable, Pool, job, worker};

job!(Fib, "fib", u64 => u64);

fn fib(n: u64) -> u64 {
    if n <= 1 { n } else { fib(n - 1) + fib(n - 2) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    worker::serve_if_spawned::<Fib>(|n, _| Ok(fib(n)));
    let pool = Pool::<Fib>::builder(Executable::current()).start().await?;
    println!("Fib result: {}", pool.run(40).await?);
    Ok(())
}
