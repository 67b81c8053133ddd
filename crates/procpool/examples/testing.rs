//! Testing with a pool: the tests at the end share one, whose workers are this test executable.
//! `cargo test --example testing`
#![allow(clippy::print_stdout)] // an example talks to the person who runs it

use procpool::worker::serve_if_spawned;
use procpool::{Executable, Failure, Pool, job};

job!(Divide, "divide", (u32, u32) => u32);

fn divide((a, b): (u32, u32)) -> Result<u32, Failure> {
    match (a, b) {
        (_, 0) => Err(Failure::new("division by zero").with_code("zero")),
        (13, _) => std::process::abort(), // stands for a bug
        (a, b) => Ok(a / b),
    }
}

/// The function under test, which takes its pool as an argument.
async fn share(pool: &Pool<Divide>, coins: u32, pirates: u32) -> String {
    match pool.run((coins, pirates)).await {
        Ok(share) => format!("{share} each"),
        Err(error) => format!("nothing: {}", error.public().code),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve_if_spawned::<Divide>(|input, _| divide(input));
    let pool = Pool::<Divide>::builder(Executable::current()).start().await?;
    println!("{}", share(&pool, 42, 6).await);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool::JobError;
    use std::sync::LazyLock;

    /// Not a test of its own: returns at once, unless the pool spawned this process as a worker.
    #[test]
    fn worker() {
        serve_if_spawned::<Divide>(|input, _| divide(input));
    }

    /// Lives on a thread of its own: the runtime of a `#[tokio::test]` ends with the test.
    static POOL: LazyLock<Pool<Divide>> = LazyLock::new(|| {
        let executable = Executable::this_test("tests::worker");
        Pool::builder(executable).workers(1..=2).start_blocking().expect("a pool starts")
    });

    // The logic needs no pool.
    #[test]
    fn shares_are_rounded_down() {
        assert_eq!(divide((43, 6)).unwrap(), 7);
    }

    #[tokio::test]
    async fn coins_are_shared() {
        assert_eq!(share(&POOL, 42, 6).await, "7 each");
    }

    #[tokio::test]
    async fn without_pirates_there_is_nothing_to_share() {
        let error = POOL.run((42, 0)).await.unwrap_err();
        assert!(matches!(&error, JobError::Failed(failure) if failure.code() == "zero"), "{error}");
        assert_eq!(share(&POOL, 42, 0).await, "nothing: zero");
    }

    #[tokio::test]
    async fn a_crash_is_reported_and_other_tests_do_not_notice() {
        let error = POOL.run((13, 1)).await.unwrap_err();
        let report = error.crash_report().expect("the worker aborted");
        assert_eq!(report.death.exit.signal(), Some(6));
        assert_eq!(share(&POOL, 9, 3).await, "3 each");
    }
}
