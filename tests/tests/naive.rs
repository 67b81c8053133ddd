//! A test that starts a pool of its own executable and forgot that each worker then runs the test. It is
//! the only one here: its worker is this executable without arguments, which runs all that it has.

use procpool::{Executable, Pool};
use procpool_tests::verbs::Verbs;
use procpool_tests::{eventually, process};

#[tokio::test]
async fn a_test_that_is_its_own_worker_and_does_not_serve_fails_to_start_and_names_the_line() {
    let error = Pool::<Verbs>::builder(Executable::current()).start().await.unwrap_err().to_string();
    assert!(error.contains("call `procpool::worker::serve_if_spawned::<…>(…)`"), "{error}");
    let this = std::process::id();
    eventually("the end of its workers", async || process::children(this).is_empty().then_some(())).await;
}
