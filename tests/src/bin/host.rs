//! A program with a pool of one worker, which does odd things to itself as lines of its standard input
//! say, and answers each with a line.
//!
//! `host WORKER [ARGUMENT…]`. How it is started is odd, too: with signals ignored or blocked, with descriptors that
//! nobody has marked, or with a small limit. Tests of this see what a worker has of it: nothing.
#![allow(clippy::print_stdout)] // it answers there

use procpool::{Executable, Pool, PoolError};
use procpool_tests::library::{are_right_at_once, comes_back, share};
use procpool_tests::verbs::{Verb, Verbs};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{DumpableBehavior, WaitOptions, set_dumpable_behavior, wait};
use std::error::Error;
use std::io::{BufRead, Write};
use std::process::Command;
use std::time::Duration;
use tokio::runtime::Runtime;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let worker = std::env::args().nth(1).ok_or("host WORKER [ARGUMENT…]")?;
    let worker = Executable::find(worker)?.with_args(std::env::args().skip(2));
    let pool: Pool<Verbs> = runtime.block_on(started(&worker))?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (order, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = obey(&runtime, &worker, &pool, order, rest)?;
        println!("{}", answer.trim().escape_debug());
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Starts the pool. A root that lacks `CAP_SYS_RESOURCE` may not limit a worker that has become another user
/// before that: then the start fails, and one of the next is in time.
async fn started(worker: &Executable) -> Result<Pool<Verbs>, PoolError> {
    let pool = || Pool::builder(worker.clone()).workers(1..=1).timeout(Duration::from_secs(20));
    for _ in 0..50 {
        if let Ok(pool) = pool().breaker_failures(0).start().await {
            return Ok(pool);
        }
    }
    pool().start().await
}

fn obey(
    runtime: &Runtime,
    worker: &Executable,
    pool: &Pool<Verbs>,
    order: &str,
    rest: &str,
) -> Result<String, Box<dyn Error>> {
    Ok(match order {
        // Has the worker run a line of shell.
        "run" => {
            let outcome = runtime.block_on(pool.run(Verb::Shell(rest.into())));
            outcome.unwrap_or_else(|error| error.to_string())
        }
        // Has the worker keep this number of bytes.
        "hoard" => {
            let outcome = runtime.block_on(pool.run(Verb::Hoard(rest.parse()?)));
            outcome.unwrap_or_else(|error| error.to_string())
        }
        "worker" => {
            let workers = pool.workers();
            let pid = workers.iter().find_map(|worker| worker.pid).ok_or("there is no worker")?;
            pid.to_string()
        }
        "deaths" => pool.status().deaths.to_string(),
        // Lets no other user look into it: no core dumps, no `/proc/PID/fd`, no ptrace.
        "hide" => {
            set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
            "is hidden".into()
        }
        // Makes shared memory of this number of bytes.
        "share" => share(rest.parse()?),
        // Has a pool of its own save a job that fails, to this directory.
        "save" => runtime.block_on(saved(worker, rest)),
        // Has this number of jobs in flight, or one of this number of bytes.
        "jobs" => runtime.block_on(are_right_at_once(pool, rest.parse()?)).to_string(),
        "bytes" => runtime.block_on(comes_back(pool, rest.parse()?)).to_string(),
        // Opens what every child of this process would inherit.
        "leak" => {
            leak()?;
            "leaks".into()
        }
        // Waits for every child that there is, as some hosts do.
        "reap" => {
            std::thread::spawn(reap);
            "reaps".into()
        }
        // Has a child of its own run a line of shell.
        "child" => {
            let output = Command::new("/bin/sh").args(["-c", rest]).output()?;
            String::from_utf8(output.stdout)?
        }
        other => return Err(format!("host does not know `{other}`").into()),
    })
}

/// The fate of a job that fails and must be saved.
async fn saved(worker: &Executable, dir: &str) -> String {
    let pool = Pool::<Verbs>::builder(worker.clone()).save_failed_jobs(dir).start().await;
    let failed = match pool {
        Ok(pool) => pool.run(Verb::Abort).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    failed.unwrap_or_else(|error| error)
}

/// Returns a pair of sockets, a pipe and a file, none of them close-on-exec, for as long as this process
/// lives.
fn leak() -> Result<(), Box<dyn Error>> {
    let sockets = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::empty(), None)?;
    let file = rustix::fs::open("/etc/passwd", OFlags::RDONLY, Mode::empty())?;
    std::mem::forget((sockets, rustix::pipe::pipe()?, file));
    Ok(())
}

fn reap() {
    loop {
        if wait(WaitOptions::empty()).is_err() {
            // sleep: there is no child, and this waits for the next one, too.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
