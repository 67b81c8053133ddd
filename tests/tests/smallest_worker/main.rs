//! The smallest worker of `WIRE.md`: the program that stands in the document, run behind real pools and
//! by hand. Needs `python3`.

mod by_hand;
mod double;
mod program;

use procpool::{Encoding, Executable, Job, JobError, OutcomeKind, Pool};
use procpool_tests::http::{self, Answer, post};
use procpool_tests::process::{children, kill, signal};
use procpool_tests::served::gone;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::{PATIENCE, eventually};
use program::{as_written, python, with_deeds};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;

const JOBS: &str = "/v1/pools/mean/jobs";

/// The document's function, for a typed caller. Its encoding is bincode, which gives way to JSON.
struct Mean;

impl Job for Mean {
    const NAME: &'static str = "mean";
    type Input = Value;
    type Output = f64;
}

/// Returns a server of one such worker.
async fn serving(program: &Path) -> Server {
    let command = [python().display().to_string(), program.display().to_string()];
    let config =
        format!("[pools.mean]\ncommand = {command:?}\nmin_workers = 1\nmax_workers = 1\ngrace = \"50ms\"\n");
    let server = Server::with_config(&config).await;
    server.idle("mean", 1).await;
    server
}

/// Returns a job whose answer the test will read; its function has begun.
async fn begin(server: &Server, input: &Value, begun: &Path, query: &str) -> tokio::net::TcpStream {
    let body = serde_json::to_vec(input).expect("JSON");
    let kind = ("Content-Type", "application/json");
    let job = http::open(server.address(), "POST", &format!("{JOBS}{query}"), &[kind], &body).await;
    eventually("the job to begin", async || begun.exists().then_some(())).await;
    job
}

async fn answer(job: tokio::net::TcpStream) -> Answer {
    http::finish(job).await.expect("an answer")
}

#[tokio::test]
async fn behind_http_its_answers_are_those_of_the_document() {
    let scratch = Scratch::new();
    let server = serving(&as_written(&scratch)).await;
    let before = server.workers("mean").await;
    let good = post(server.address(), JOBS, r#""to be or not""#).await;
    assert_eq!((good.status, good.text()), (200, "2.25"));
    let long = format!("\"{}\"", "x".repeat(1_000_001));
    for (input, status, outcome) in
        [("4", 400, "bad_input"), (long.as_str(), 422, "failed"), (r#""""#, 500, "broke")]
    {
        let answer = post(server.address(), JOBS, input).await;
        assert_eq!((answer.status, &answer.problem()["outcome"]), (status, &outcome.into()));
    }
    let still_good = post(server.address(), JOBS, r#""to be""#).await;
    assert_eq!((still_good.status, still_good.text()), (200, "2.0"));
    assert_eq!(server.workers("mean").await, before, "no answer costs the process");
    assert_eq!(server.pool("mean").await["deaths"], 0);
}

#[tokio::test]
async fn behind_the_library_a_typed_caller_understands_it() {
    let scratch = Scratch::new();
    let executable = Executable::path(python()).expect("an executable").with_args([as_written(&scratch)]);
    let pool = Pool::<Mean>::builder(executable).workers(1..=1).start().await.expect("a pool");
    assert_eq!(pool.run(json!("to be or not")).await.expect("a mean").to_bits(), 2.25_f64.to_bits());
    assert!(matches!(pool.run(json!(4)).await, Err(JobError::BadInput { .. })));
    match pool.run(json!("")).await {
        Err(JobError::Broke(failure)) => assert_eq!(failure.code(), "ZeroDivisionError"),
        other => panic!("{other:?}"),
    }
    let report = pool.shutdown(PATIENCE).await;
    assert_eq!(report.shut_down, 0);
}

/// The same job, sent as JSON before a worker is there to be asked.
struct JsonMean;

impl Job for JsonMean {
    const ENCODING: Encoding = Encoding::Json;
    const NAME: &'static str = "mean";
    type Input = Value;
    type Output = f64;
}

/// It takes no batches, whether the map comes before the worker or after it.
#[tokio::test]
async fn each_input_of_a_map_is_a_job() {
    let scratch = Scratch::new();
    let executable = Executable::path(python()).expect("an executable").with_args([as_written(&scratch)]);
    let builder = || Pool::<JsonMean>::builder(executable.clone()).workers(1..=1);
    for pool in [builder().start().await.expect("a pool"), builder().start_lazy().expect("a pool")] {
        let mut means = pool.map(["to be", "or", "not"].map(|text| json!(text))).chunks(3);
        for mean in [2.0_f64, 2.0, 3.0] {
            assert_eq!(means.next().await.expect("one more").expect("a mean").to_bits(), mean.to_bits());
        }
        let ended = pool.status().jobs;
        assert_eq!((ended[&OutcomeKind::Ok], ended.values().sum::<u64>()), (3, 3));
    }
}

#[tokio::test]
async fn a_job_that_hangs_is_killed_at_its_deadline_and_its_worker_replaced() {
    let scratch = Scratch::new();
    let server = serving(&with_deeds(&scratch)).await;
    let before = server.workers("mean").await;
    let begun = scratch.path().join("begun.txt");
    let job = begin(&server, &json!(["spin", begun]), &begun, "?run_timeout=1s").await;
    let answer = answer(job).await;
    assert_eq!((answer.status, &answer.problem()["outcome"]), (504, &"timed_out".into()));
    gone(&before).await;
    let pid: u32 = post(server.address(), JOBS, r#"["pid"]"#).await.text().parse().expect("a pid");
    assert!(!before.contains(&pid));
}

#[tokio::test]
async fn a_worker_that_is_killed_costs_its_job_and_is_replaced() {
    let scratch = Scratch::new();
    let server = serving(&with_deeds(&scratch)).await;
    let [before] = server.workers("mean").await[..] else { panic!("one worker") };
    let begun = scratch.path().join("begun.txt");
    let job = begin(&server, &json!(["spin", begun]), &begun, "").await;
    kill(before);
    let answer = answer(job).await;
    assert_eq!((answer.status, &answer.problem()["outcome"]), (502, &"crashed".into()));
    let pid: u32 = post(server.address(), JOBS, r#"["pid"]"#).await.text().parse().expect("a pid");
    assert_ne!(pid, before);
}

#[tokio::test]
async fn nothing_is_left_of_it_when_the_server_is_killed() {
    let scratch = Scratch::new();
    let mut server = serving(&with_deeds(&scratch)).await;
    let workers = server.workers("mean").await;
    let child: u32 = post(server.address(), JOBS, r#"["child"]"#).await.text().parse().expect("a pid");
    assert_eq!(children(workers[0]), [child]);
    let begun = scratch.path().join("begun.txt");
    let _job = begin(&server, &json!(["spin", begun]), &begun, "").await;
    kill(server.pid());
    server.ended().await;
    gone(&[workers[0], child]).await;
}

#[tokio::test]
async fn a_server_that_shuts_down_lets_it_finish_its_job() {
    let scratch = Scratch::new();
    let mut server = serving(&with_deeds(&scratch)).await;
    let workers = server.workers("mean").await;
    let [begun, wanted] = ["begun", "wanted"].map(|name| scratch.path().join(format!("{name}.txt")));
    let job = begin(&server, &json!(["wait", begun, wanted]), &begun, "").await;
    signal(server.pid(), Signal::TERM);
    scratch.write("wanted.txt", "");
    let answer = answer(job).await;
    assert_eq!((answer.status, answer.text()), (200, workers[0].to_string().as_str()));
    assert_eq!(server.ended().await.code(), Some(0));
    gone(&workers).await;
}
