//! A program that forks after it has used a pool, and uses the pool in the child, too.
//!
//! `forks WORKER MARKER`. It prints what became of both processes' pools, a line each. Its job runs until
//! the marker file exists, which the parent makes after the child has ended.
#![allow(clippy::print_stdout)] // what it prints is what the test reads

use procpool::{Executable, JobError, Pool, Refusal, Refused};
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
        Ok::<_, JobError>(pool.submit(Verb::WaitFor(marker.clone())))
    })?;
    runtime.block_on(procpool_tests::eventually("the job to begin", async || {
        (pool.status().workers.busy == 1).then_some(())
    }));
    let before = pids(&pool);
    match fork()? {
        Side::Child => {
            child(pool, &worker)?;
            drop(job);
            println!("child: done");
            // Without its copy of the runtime being dropped: that would take all that waits there off the
            // kernel's list, which it shares with its parent.
            std::process::exit(0)
        }
        Side::Parent(child) => {
            println!("parent: child ended with {:?}", child.wait()?);
            File::create(&marker)?;
            println!("parent: job {}", runtime.block_on(async { job.await })?);
            println!("parent: same worker {}", pids(&pool) == before);
            println!("parent: deaths {}", pool.status().deaths);
            Ok(())
        }
    }
}

fn child(inherited: Pool<Verbs>, worker: &str) -> Result<(), Box<dyn Error>> {
    let runtime = runtime()?;
    match runtime.block_on(inherited.run(Verb::Pid)) {
        Err(JobError::Refused(Refused { reason: Refusal::Forked, .. })) => println!("child: refused"),
        other => println!("child: not refused: {other:?}"),
    }
    drop(inherited);
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
