//! Pools of real workers: typed jobs, starts, payloads, what a worker inherits.

use procpool::{Executable, JobError, Pool, run_once};
use procpool_tests::eventually;
use procpool_tests::library::{echo, executable, idle, verbs};
use procpool_tests::verbs::{Verb, Verbs};

#[tokio::test]
async fn the_three_workers_answer_typed_jobs() {
    let ping = Pool::<procpool_ping::Ping>::builder(executable("procpool-ping")).start().await.unwrap();
    assert_eq!(ping.run("ping".into()).await.unwrap(), "pong");
    let error = ping.run("pong".into()).await.unwrap_err();
    assert!(matches!(error, JobError::Failed(_)), "{error}");

    let fib = Pool::<procpool_fib::Fib>::builder(executable("procpool-fib")).start().await.unwrap();
    assert_eq!(fib.run(30).await.unwrap(), 832_040);
    assert!(matches!(fib.run(94).await.unwrap_err(), JobError::Failed(_)));

    let compute =
        Pool::<procpool_compute::Compute>::builder(executable("procpool-compute")).start().await.unwrap();
    assert_eq!(compute.run(50_000_000).await.unwrap().to_string(), "235702256859.7696");
}

#[tokio::test]
async fn one_process_runs_one_job() {
    assert_eq!(run_once::<procpool_fib::Fib>(executable("procpool-fib"), 20).await.unwrap(), 6765);
}

#[tokio::test]
async fn a_lazy_pool_starts_with_its_first_job_and_grows_with_the_queue() {
    let pool = Pool::<Verbs>::builder(executable("verbs")).workers(1..=3).start_lazy().unwrap();
    assert!(pool.workers().is_empty());
    let jobs: Vec<_> = (0..3).map(|_| pool.try_submit(Verb::Obey).unwrap()).collect();
    eventually("three busy workers", async || (pool.status().workers.busy == 3).then_some(())).await;
    drop(jobs);
    idle(&pool, 3).await;
}

#[tokio::test]
async fn ten_thousand_inputs_keep_their_order_and_their_failures() {
    let pool = Pool::<procpool_fib::Fib>::builder(executable("procpool-fib")).start().await.unwrap();
    // Every fifth input is one that is refused.
    let input = |n: u64| if n.is_multiple_of(5) { 94 } else { n % 20 };
    let mut outcomes = pool.map((0..10_000).map(input));
    let (mut n, mut failures) = (0, 0);
    while let Some(outcome) = outcomes.next().await {
        match (outcome, procpool_fib::fib(input(n))) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(JobError::Failed(found)), Err(expected)) => {
                assert_eq!(found, expected);
                failures += 1;
            }
            other => panic!("input {n}: {other:?}"),
        }
        n += 1;
    }
    assert_eq!((n, failures), (10_000, 2_000));
}

#[tokio::test]
async fn a_pool_of_another_job_does_not_start() {
    let error = Pool::<procpool_fib::Fib>::builder(executable("procpool-ping")).start().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("expected job `fib` version 1") && text.contains("found job `ping`"), "{text}");
}

#[tokio::test]
async fn a_worker_that_cannot_start_is_reported_with_its_end() {
    let error =
        Pool::<Verbs>::builder(executable("misbehave").with_args(["exit"])).start().await.unwrap_err();
    assert!(error.to_string().contains("exit code 3"), "{error}");
    let error = Executable::find("procpool-no-such-worker").unwrap_err().to_string();
    assert!(error.contains("looked in") && error.contains("/usr/bin"), "{error}");
}

#[tokio::test]
async fn a_worker_inherits_nothing_that_it_is_not_given() {
    let pool = verbs(4).env("GREETING", "hello").start().await.unwrap();
    idle(&pool, 4).await;
    let keys = pool.run(Verb::Environment).await.unwrap();
    let known = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"];
    let known =
        [&known[..], &["RUST_BACKTRACE", "RUST_LIB_BACKTRACE", "LLVM_PROFILE_FILE", "GREETING"]].concat();
    let surprise: Vec<_> =
        keys.lines().filter(|key| !known.contains(key) && !key.starts_with("LC_")).collect();
    assert!(surprise.is_empty(), "{surprise:?}");
    assert!(keys.lines().any(|key| key == "GREETING"));

    let descriptors = pool.run(Verb::Descriptors).await.unwrap();
    let kind = |prefix: &str| descriptors.lines().filter(|line| line.starts_with(prefix)).count();
    // Standard input, output and error; jobs and control; the listing of /proc/self/fd itself. The page is only mapped.
    assert_eq!((kind("pipe:") + kind("/dev/null"), kind("socket:")), (3, 2), "{descriptors}");
    assert_eq!(descriptors.lines().count(), 6, "{descriptors}");
}

#[tokio::test]
async fn large_payloads_travel_and_too_large_ones_are_refused_on_either_way() {
    let pool = verbs(1).max_payload(1 << 20).start().await.unwrap();
    let fits = (1 << 20) - 64;
    assert_eq!(pool.run(Verb::Large(fits)).await.unwrap().len(), fits);
    assert_eq!(pool.run(echo(&"x".repeat(fits))).await.unwrap().len(), fits);
    let error = pool.run(Verb::Large(1 << 20)).await.unwrap_err();
    assert!(matches!(error, JobError::OutputTooLarge { limit: 0x0010_0000, .. }), "{error}");
    let error = pool.run(echo(&"x".repeat(1 << 20))).await.unwrap_err();
    assert!(
        matches!(&error, JobError::Refused(refused) if refused.reason.name() == "input_too_large"),
        "{error}"
    );
    assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
}

#[tokio::test]
async fn a_flood_of_output_without_a_newline_harms_nobody() {
    let pool = verbs(1).start().await.unwrap();
    let bytes = 8 << 20;
    assert_eq!(pool.run(Verb::Flood(bytes)).await.unwrap(), bytes.to_string());
}
