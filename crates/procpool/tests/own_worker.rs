//! How a user tests a pool in a crate of their own: the test executable is its own worker.

use procpool::worker::serve_if_spawned;
use procpool::{Executable, Failure, Job, JobError, Pool};

struct Divide;

impl Job for Divide {
    const NAME: &'static str = "divide";
    type Input = (u32, u32);
    type Output = u32;
}

fn divide((a, b): (u32, u32)) -> Result<u32, Failure> {
    match (a, b) {
        (_, 0) => Err(Failure::new("division by zero").with_code("zero")),
        (13, _) => std::process::abort(),
        (a, b) => Ok(a / b),
    }
}

/// Not a test of its own: returns at once, unless this process was spawned as a worker.
#[test]
fn worker() {
    serve_if_spawned::<Divide>(|input, _| divide(input));
}

#[tokio::test]
async fn a_test_that_is_not_there_is_named() {
    let error =
        Pool::<Divide>::builder(Executable::this_test("wrker")).start().await.unwrap_err().to_string();
    assert!(error.contains("ended with exit code 0"), "{error}");
    assert!(error.contains("no test called `wrker` in this executable calls `serve_if_spawned`"), "{error}");
}

#[tokio::test]
async fn a_pool_of_the_test_executable_divides() {
    let pool = Pool::<Divide>::builder(Executable::this_test("worker")).workers(1..=2).start().await.unwrap();

    assert_eq!(pool.run((42, 6)).await.unwrap(), 7);

    let error = pool.run((1, 0)).await.unwrap_err();
    assert!(matches!(&error, JobError::Failed(failure) if failure.code() == "zero"), "{error}");

    let error = pool.run((13, 1)).await.unwrap_err();
    let report = error.crash_report().expect("the worker aborted");
    assert_eq!(report.death.exit.signal(), Some(6));

    assert_eq!(pool.run((9, 3)).await.unwrap(), 3, "the pool goes on");
}
