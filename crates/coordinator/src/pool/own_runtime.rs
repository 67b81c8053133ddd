//! A pool that lives on another runtime than that of its starter: on one that is named, or on one of its own.

use super::config::{PoolConfig, PoolError};
use super::raw::RawPool;
use procpool_process::StartError;
use std::io;
use std::sync::mpsc;
use std::thread;
use tokio::runtime::{Builder, Handle};

/// Starts a pool on this runtime, whatever runtime the caller is on.
pub(super) async fn start_on(runtime: &Handle, config: PoolConfig) -> Result<RawPool, PoolError> {
    let name = config.name.clone();
    runtime
        .spawn(RawPool::start(config))
        .await
        .unwrap_or_else(|error| Err(failed(name, io::Error::other(error))))
}

/// Starts a pool on a thread of its own, which ends with the pool. Blocks until the pool has started or failed to.
pub(super) fn start(config: PoolConfig) -> Result<RawPool, PoolError> {
    let name = config.name.clone();
    let (sender, started) = mpsc::sync_channel(1);
    let run = move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(sender.send(Err(failed(config.name, error)))),
        };
        runtime.block_on(async {
            let pool = RawPool::start(config).await;
            let over = pool.as_ref().ok().map(|pool| pool.core().over());
            // Where the caller's thread is gone, so is the pool.
            let _ = sender.send(pool);
            if let Some(mut over) = over {
                // Not when it is drained: deaths may wait for their stacks then. Without the core there is no pool left.
                let _ = over.wait_for(|over| *over).await;
            }
        });
    };
    // A thread's name cannot hold a NUL.
    let thread = thread::Builder::new().name(format!("procpool {name}").replace('\0', "\u{fffd}"));
    thread.spawn(run).map_err(|error| failed(name.clone(), error))?;
    started.recv().unwrap_or_else(|error| Err(failed(name, io::Error::other(error))))
}

/// Starts a pool on this runtime, and blocks until the pool has started or failed to.
pub(super) fn start_on_blocking(runtime: &Handle, config: PoolConfig) -> Result<RawPool, PoolError> {
    let name = config.name.clone();
    let (sender, started) = mpsc::sync_channel(1);
    // Where the caller no longer waits, the pool is gone.
    let start = async move { drop(sender.send(RawPool::start(config).await)) };
    let runtime = runtime.clone();
    // From a thread outside of the runtime: a task that one of its threads spawns may be kept for that very thread, which blocks.
    let thread = thread::Builder::new().name("procpool start".into());
    thread.spawn(move || drop(runtime.spawn(start))).map_err(|error| failed(name.clone(), error))?;
    started.recv().unwrap_or_else(|_| Err(failed(name, io::Error::other("the runtime has ended"))))
}

fn failed(pool: String, reason: io::Error) -> PoolError {
    StartError::prepare(pool, reason).into()
}
