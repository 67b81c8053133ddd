//! A program that forks after it has used a pool, and uses the pool in the child, too.
//!
//! `forks WORKER MARKER`. It prints what became of both processes' pools, a line each. Its job runs until
//! the marker file exists, which the parent makes after the child has ended.
#![allow(clippy::print_stdout)] // what it prints is what the test reads

use procpool::error::{Refusal, ReloadError, WorkerError};
use procpool::{Executable, JobError, JobHandle, Pool, Worker};
use procpool_tests::fork::{Side, fork};
use procpool_tests::verbs::{Verb, Verbs};
use std::error::Error;
use std::fs::File;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (worker, marker) = (args.next().ok_or("no worker")?, args.next().ok_or("no marker")?);
    let runtime = runtime()?;
    let pool = start(&runtime, &worker)?;
    let job = runtime.block_on(async {
        pool.run(Verb::Pid).await?;
        Ok::<_, JobError>(pool.submit(Verb::WaitFor(marker.clone())).await?)
    })?;
    runtime.block_on(procpool_tests::eventually("the job to begin", async || {
        (pool.status().workers.busy == 1).then_some(())
    }));
    let mut messages = runtime.block_on(Worker::<Verb, String>::spawn(Executable::path(&worker)?))?;
    let before = pids(&pool);
    match fork()? {
        Side::Child => {
            child(pool, job, messages, &worker)?;
            println!("child: done");
            // Without its copy of the runtime being dropped: that would take all that waits there off the
            // kernel's list, which it shares with its parent.
            std::process::exit(0)
        }
        Side::Parent(child) => {
            println!("parent: child ended with {:?}", child.wait()?);
            File::create(&marker)?;
            println!("parent: job {}", runtime.block_on(job)?);
            println!("parent: same worker {}", pids(&pool) == before);
            println!("parent: deaths {}", pool.status().deaths);
            runtime.block_on(messages.post(Verb::Echo("lives".into())))?;
            println!("parent: worker {}", runtime.block_on(messages.recv())?);
            Ok(())
        }
    }
}

fn child(
    pool: Pool<Verbs>,
    job: JobHandle<Verbs>,
    mut messages: Worker<Verb, String>,
    worker: &str,
) -> Result<(), Box<dyn Error>> {
    let runtime = runtime()?;
    let is_forked = |error: &JobError| matches!(error, JobError::Refused(it) if it.reason == Refusal::Forked);
    println!("child: run {}", runtime.block_on(pool.run(Verb::Pid)).is_err_and(|it| is_forked(&it)));
    println!("child: job {}", runtime.block_on(job).is_err_and(|it| is_forked(&it)));
    let reloaded = runtime.block_on(pool.reload());
    println!("child: reload {}", matches!(reloaded, Err(ReloadError::Forked { .. })));
    println!("child: workers {} {}", pool.workers().len(), pool.status().workers.busy);
    println!("child: shutdown {:?}", runtime.block_on(pool.shutdown(Duration::MAX)));
    drop(pool);
    let posted = runtime.block_on(messages.post(Verb::Pid));
    println!("child: post {}", matches!(posted, Err(WorkerError::Forked)));
    let received = runtime.block_on(messages.recv());
    println!("child: recv {}", matches!(received, Err(WorkerError::Forked)));
    println!("child: terminate {}", runtime.block_on(messages.terminate()).exit);
    drop(messages);
    let own = start(&runtime, worker)?;
    println!("child: own pool {}", runtime.block_on(own.run(Verb::Echo("works".into())))?);
    println!("child: own deaths {}", own.status().deaths);
    Ok(())
}

fn start(runtime: &Runtime, worker: &str) -> Result<Pool<Verbs>, Box<dyn Error>> {
    let pool = Pool::builder(Executable::path(worker)?).workers(1..=1).timeout(Duration::from_secs(20));
    Ok(runtime.block_on(pool.start())?)
}

fn pids(pool: &Pool<Verbs>) -> Vec<Option<u32>> {
    pool.workers().iter().map(|worker| worker.pid).collect()
}

/// Without threads of its own: a fork has none of them.
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
