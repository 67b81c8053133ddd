//! A program that is its own worker and serves wrongly: not at all, another job, too late, or any of several.
//!
//! `careless HOW`. It starts its pool, as each of its workers would do, and exits with what came of it.
#![allow(clippy::print_stderr, clippy::print_stdout)] // what it prints is what the test reads

use procpool::raw::RawPool;
use procpool::worker::serve_if_spawned;
use procpool::{Executable, Job, JobError, Pool, PoolConfig, Worker, run_once};
use std::process::{Command, ExitCode};
use std::time::Duration;

struct Double;

impl Job for Double {
    const NAME: &'static str = "double";
    type Input = u64;
    type Output = u64;
}

/// Answers what this executable does as a tool: how it exits, and what it says.
struct Tool;

impl Job for Tool {
    const NAME: &'static str = "tool";
    type Input = ();
    type Output = String;
}

#[tokio::main]
async fn main() -> ExitCode {
    let how = std::env::args().nth(1).unwrap_or_default();
    if matches!(how.as_str(), "" | "good" | "other" | "unnamed" | "unnamed_pool" | "named") {
        serve_if_spawned::<Tool>(|(), _| {
            let tool = Command::new(std::env::current_exe()?).output()?;
            Ok(format!("{}: {}", tool.status, String::from_utf8_lossy(&tool.stdout)))
        });
    }
    if matches!(how.as_str(), "" | "unnamed" | "unnamed_pool" | "named") {
        serve_if_spawned::<Double>(|n, _| Ok(2 * n));
    }
    let me = Executable::current().with_args([how.clone()]);
    let came_of_it = match how.as_str() {
        "" => Ok("a tool, and no worker".into()),
        "good" => tool(me).await,
        "worker" => {
            Worker::<u64, u64>::spawn(me).await.map(|_| "it started".into()).map_err(|e| e.to_string())
        }
        "unnamed" => several(None).await,
        "unnamed_pool" => unnamed_pool().await,
        "named" => several(Some("double")).await,
        "lazy" => lazy(me).await,
        "once" => run_once::<Double>(me, 2).await.map(|four| four.to_string()).map_err(|e| e.to_string()),
        _ => double(me).await,
    };
    if how == "late" {
        serve_if_spawned::<Double>(|n, _| Ok(2 * n));
    }
    match came_of_it {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Has a worker of this program, which has several jobs, double a number.
async fn several(job: Option<&str>) -> Result<String, String> {
    let mut worker = Worker::<u64, u64>::builder(Executable::current());
    if let Some(job) = job {
        worker = worker.job(job);
    }
    let mut worker = worker.spawn().await.map_err(|error| error.to_string())?;
    worker.post(2_u64).await.map_err(|error| error.to_string())?;
    worker.recv().await.map(|four| four.to_string()).map_err(|error| error.to_string())
}

async fn unnamed_pool() -> Result<String, String> {
    let pool = RawPool::start(PoolConfig::new("any", Executable::current())).await;
    pool.map(|_| "it started".into()).map_err(|error| error.to_string())
}

async fn tool(me: Executable) -> Result<String, String> {
    let pool = Pool::<Tool>::builder(me).workers(1..=1).start().await.map_err(|error| error.to_string())?;
    pool.run(()).await.map_err(|error| error.to_string())
}

async fn double(me: Executable) -> Result<String, String> {
    let pool = Pool::<Double>::builder(me).workers(2..=2).start().await.map_err(|error| error.to_string())?;
    pool.run(2).await.map(|four| four.to_string()).map_err(|error| error.to_string())
}

/// Starts its workers with the first job, and asks again until it hears why there are none.
async fn lazy(me: Executable) -> Result<String, String> {
    let pool =
        Pool::<Double>::builder(me).workers(1..=1).breaker_failures(1).timeout(Duration::from_millis(200));
    let pool = pool.start_lazy().map_err(|error| error.to_string())?;
    loop {
        match pool.run(2).await {
            Err(JobError::TimedOut { .. }) => {}
            outcome => return outcome.map(|four| four.to_string()).map_err(|error| error.to_string()),
        }
    }
}
