//! Workers that read less than everything, as those of other languages do, and typed callers.

use procpool::status::WorkerState;
use procpool::{Bytes, Coordinator, CoordinatorConfig, Executable, Job, JobError, Pool, PoolConfig};
use procpool_tests::library::{echo, executable, misbehaving, verbs};
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};

fn reading(encodings: &str) -> Executable {
    executable("misbehave").with_args([format!("encodings={encodings}")])
}

const AS_JSON: &str = "JSON {\"echo\":\"hello\"}; reply as JSON; worker data: ";

#[tokio::test]
async fn a_typed_caller_of_a_worker_without_bincode_sends_and_is_answered_json() {
    let pool = misbehaving("encodings=json,raw").worker_data([1, 2]).start().await.unwrap();
    for _ in 0..3 {
        assert_eq!(pool.run(echo("hello")).await.unwrap(), format!("{AS_JSON}JSON [1,2]"));
    }
    // A later worker of the same kind.
    let pid = pool.workers()[0].pid.unwrap();
    procpool_tests::process::signal(pid, rustix::process::Signal::KILL);
    procpool_tests::eventually("another worker", async || {
        let workers = pool.workers();
        workers.first().is_some_and(|it| it.pid != Some(pid) && it.state == WorkerState::Idle).then_some(())
    })
    .await;
    assert_eq!(pool.run(echo("hello")).await.unwrap(), format!("{AS_JSON}JSON [1,2]"));
}

#[tokio::test]
async fn a_worker_that_says_nothing_of_encodings_is_sent_what_the_job_prefers() {
    let pool = misbehaving("encodings=bincode,json,raw").worker_data(7_u8).start().await.unwrap();
    let told = pool.run(echo("hello")).await.unwrap();
    assert!(
        told.starts_with("bincode ") && told.contains("; reply as bincode; worker data: bincode "),
        "{told}"
    );
    assert_eq!(verbs(1).start().await.unwrap().run(echo("hello")).await.unwrap(), "hello");
}

/// A caller of raw bytes.
struct Raw;

impl Job for Raw {
    const NAME: &'static str = Verbs::NAME;
    type Input = Bytes;
    type Output = Bytes;
}

#[tokio::test]
async fn a_worker_that_reads_nothing_its_callers_send_does_not_start_and_both_sides_are_named() {
    let start = |encodings: &str| misbehaving(&format!("encodings={encodings}")).start();
    let error = start("raw").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "failed to start a worker of `verbs`: its callers send bincode or JSON, and the worker (misbehave) takes raw \
         bytes only; let the worker take bincode or JSON and say so in its hello, or use a job of other types"
    );
    let error = Pool::<Raw>::builder(reading("json")).start().await.unwrap_err().to_string();
    assert!(
        error.contains("its callers send raw bytes, and the worker (misbehave) takes JSON only"),
        "{error}"
    );
}

#[tokio::test]
async fn worker_data_that_a_worker_cannot_be_given_fails_the_start() {
    let much = vec![0_u8; 2 << 20];
    let error = misbehaving("encodings=json").worker_data(much).start().await.unwrap_err().to_string();
    assert!(
        error.contains("its worker data is bincode, and the worker (misbehave) takes JSON only"),
        "{error}"
    );
}

#[tokio::test]
async fn a_job_that_was_encoded_before_there_was_a_worker_decides_what_workers_have_to_read() {
    let lazy = misbehaving("encodings=json").breaker_failures(1).start_lazy().unwrap();
    let waiting = lazy.try_submit(Verb::Pid).unwrap();
    procpool_tests::eventually("the breaker", async || lazy.status().breaker_open.then_some(())).await;
    let error = lazy.run(Verb::Pid).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, JobError::Refused(_)), "{text}");
    assert!(text.contains("its callers send bincode, and the worker (misbehave) takes JSON only"), "{text}");
    assert!(text.contains("`ENCODING = Encoding::Json`"), "{text}");
    drop(waiting);
}

#[tokio::test]
async fn a_view_of_a_running_pool_asks_what_its_workers_read() {
    let pools = [PoolConfig::new("verbs", reading("json"))];
    let coordinator = Coordinator::start(CoordinatorConfig::new(pools)).await.unwrap();
    let told = coordinator.pool::<Verbs>("verbs").unwrap().run(echo("hello")).await.unwrap();
    assert_eq!(told, format!("{AS_JSON}nothing "));
    let error = coordinator.pool::<Raw>("verbs").unwrap_err().to_string();
    assert!(
        error.starts_with("pool `verbs` cannot run the job that was asked for: its callers send raw"),
        "{error}"
    );
}

#[tokio::test]
async fn a_reload_that_brings_a_worker_without_what_callers_send_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.path().join("worker");
    let install = |encodings: &str| {
        // By another name first: a file that is being run cannot be written to.
        let new = scratch.path().join("new");
        let misbehave = procpool_tests::binaries::binary("misbehave");
        let script = format!("#!/bin/sh\nexec {} encodings={encodings}\n", misbehave.display());
        procpool_tests::binaries::install(&new, script);
        std::fs::rename(&new, &path).unwrap();
    };
    install("bincode,json");
    let pool = Pool::<Verbs>::builder(Executable::path(&path).unwrap()).workers(1..=1).start().await.unwrap();
    assert!(pool.run(echo("hello")).await.unwrap().starts_with("bincode "));
    install("json");
    let error = pool.reload().await.unwrap_err().to_string();
    assert!(
        error.contains("its callers send bincode, and the worker (misbehave) takes JSON only"),
        "{error}"
    );
    install("bincode");
    pool.reload().await.unwrap();
    assert!(pool.run(echo("hello")).await.unwrap().starts_with("bincode "));
}
