//! Durable jobs of a service: typed, and there again after the process was killed.
#![allow(clippy::print_stdout, reason = "a service of its own tells its test the ids of its jobs")]

use procpool::durable::{Cancelled, EnqueueError, Filter, OpenError, OutcomeError, Retry};
use procpool::worker::serve_if_spawned;
use procpool::{Executable, Failure, JobError, JobId, Jobs, Pool, job};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

job!(Halve, "halve", u64 => u64);

/// Not a test of its own: returns at once, unless this process was spawned as a worker.
#[test]
fn worker() {
    serve_if_spawned::<Halve>(|n, _| match n {
        13 => std::process::abort(),
        n if n % 2 == 1 => Err(Failure::new(format!("{n} is odd")).with_code("odd")),
        n => Ok(n / 2),
    });
}

async fn pool() -> Pool<Halve> {
    let pool = Pool::<Halve>::builder(Executable::this_test("worker")).name("halve").workers(1..=2);
    pool.idempotent(true).start().await.unwrap()
}

/// A directory that is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("procpool-durable-{name}-{}", std::process::id())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const DIRECTORY: &str = "PROCPOOL_TEST_DIRECTORY";

/// Not a test of its own, unless a test names a directory: enqueues jobs that no worker gets, and waits to be killed.
#[tokio::test]
async fn service() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let pool = pool().await;
    pool.pause();
    let jobs = Jobs::builder(directory).pool(&pool).open().await.unwrap();
    for n in 0..20 {
        let id = jobs.queue(&pool).enqueue(n * 2).await.unwrap();
        println!("enqueued {id}");
    }
    println!("enqueued all");
    std::future::pending::<()>().await;
}

/// Starts [`service`], kills it once it has enqueued everything, and returns the ids of its jobs.
fn killed_service(directory: &Path) -> Vec<JobId> {
    let mut service = Command::new(std::env::current_exe().unwrap());
    service.args(["--exact", "service", "--nocapture"]).env(DIRECTORY, directory);
    let mut service = service.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(service.stdout.take().unwrap()).lines();
    let ids = lines.map_while(Result::ok).filter_map(|line| Some(line.split_once("enqueued ")?.1.to_owned()));
    let ids = ids.take_while(|id| id != "all").map(|id| id.parse().unwrap()).collect();
    service.kill().unwrap();
    service.wait().unwrap();
    ids
}

#[tokio::test]
async fn jobs_of_a_service_that_was_killed_are_run_by_the_next() {
    let directory = Directory::new("killed");
    let ids = killed_service(&directory.0);
    assert_eq!(ids.len(), 20);

    let pool = pool().await;
    let jobs = Jobs::builder(&directory.0).pool(&pool).open().await.unwrap();
    let halves = jobs.queue(&pool);
    for (n, &id) in (0..).zip(&ids) {
        assert_eq!(halves.outcome(id).await.unwrap(), n, "{id}");
    }
    let (listed, _) = jobs.list(Filter::default(), None, 100).await;
    assert_eq!(listed.len(), 20);
    jobs.shutdown().await;
}

#[tokio::test]
async fn an_outcome_is_there_for_a_later_process() {
    let directory = Directory::new("later");
    let pool = pool().await;
    let jobs = Jobs::builder(&directory.0).pool(&pool).open().await.unwrap();
    let halves = jobs.queue(&pool);
    let (even, odd) = (halves.enqueue(8).await.unwrap(), halves.enqueue(7).await.unwrap());
    assert_eq!(halves.outcome(even).await.unwrap(), 4);
    halves.outcome(odd).await.unwrap_err();
    jobs.shutdown().await;
    assert!(matches!(
        halves.outcome(even).await,
        Err(OutcomeError::Closed { .. } | OutcomeError::Unknown { .. })
    ));
    drop((jobs, halves));

    let jobs = Jobs::builder(&directory.0).pool(&pool).open().await.unwrap();
    let halves = jobs.queue(&pool);
    assert_eq!(halves.outcome(even).await.unwrap(), 4);
    let error = halves.outcome(odd).await.unwrap_err();
    assert!(
        matches!(&error, OutcomeError::Job(JobError::Failed(failure)) if failure.code() == "odd"),
        "{error}"
    );
    let unknown = halves.outcome(JobId::from_bits(7)).await.unwrap_err();
    assert!(matches!(unknown, OutcomeError::Unknown { .. }), "{unknown}");
}

#[tokio::test]
async fn a_key_is_one_job_and_keeps_its_input() {
    let directory = Directory::new("key");
    let pool = pool().await;
    let jobs = Jobs::builder(&directory.0).pool(&pool).open().await.unwrap();
    let halves = jobs.queue(&pool);
    let first = halves.job(6).key("order-7").unwrap().enqueue().await.unwrap();
    assert_eq!(halves.outcome(first).await.unwrap(), 3);
    assert_eq!(halves.job(6).key("order-7").unwrap().enqueue().await.unwrap(), first);
    let taken = halves.job(8).key("order-7").unwrap().enqueue().await.unwrap_err();
    assert!(matches!(taken, EnqueueError::KeyTaken { job, .. } if job == first), "{taken}");
    halves.job(8).key("").unwrap_err();
}

#[tokio::test]
async fn a_delayed_job_waits_and_can_be_cancelled() {
    let directory = Directory::new("delayed");
    let pool = pool().await;
    let jobs = Jobs::builder(&directory.0).pool(&pool).open().await.unwrap();
    let halves = jobs.queue(&pool);
    let id = halves.job(6).delay(Duration::from_secs(3600)).enqueue().await.unwrap();
    assert!(halves.record(id).await.unwrap().due.is_some());
    assert!(matches!(jobs.cancel(id).await, Cancelled::Requested));
    let error = halves.outcome(id).await.unwrap_err();
    assert!(matches!(error, OutcomeError::Job(JobError::Cancelled { .. })), "{error}");
    assert!(matches!(jobs.cancel(id).await, Cancelled::TooLate(_)));
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_tried_again_and_ends() {
    let directory = Directory::new("kills");
    let pool = pool().await;
    let mut retry = Retry::default();
    (retry.max_attempts, retry.first) = (2, Duration::from_millis(1));
    let jobs = Jobs::builder(&directory.0).retrying_pool(&pool, retry).open().await.unwrap();
    let halves = jobs.queue(&pool);
    let id = halves.enqueue(13).await.unwrap();
    let error = halves.outcome(id).await.unwrap_err();
    assert!(matches!(error, OutcomeError::Job(JobError::Crashed(_))), "{error}");
    assert_eq!(jobs.record(id).await.unwrap().attempt, 2);
    assert_eq!(halves.outcome(halves.enqueue(10).await.unwrap()).await.unwrap(), 5, "the pool goes on");
}

#[tokio::test]
async fn a_store_names_what_is_wrong_with_its_opening() {
    let directory = Directory::new("wrong");
    let (pool, same) = (pool().await, pool().await);
    let error = Jobs::builder(&directory.0).pool(&pool).pool(&same).open().await.unwrap_err();
    assert!(matches!(&error, OpenError::SameName { name, .. } if name == "halve"), "{error}");
    let _open = Jobs::builder(&directory.0).pool(&pool).open().await.unwrap();
    let error = Jobs::builder(&directory.0).pool(&pool).open().await.unwrap_err().to_string();
    assert!(error.contains(&std::process::id().to_string()), "{error}");
}
