//! A pool that lives on a runtime of its own, so that it outlives the runtime of its starter.

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
            let drained = pool.as_ref().ok().map(|pool| pool.core().drained());
            // Where the caller's thread is gone, so is the pool.
            let _ = sender.send(pool);
            if let Some(mut drained) = drained {
                // Without the core there is no pool left.
                let _ = drained.wait_for(|drained| *drained).await;
            }
        });
    };
    let thread = thread::Builder::new().name(format!("procpool {name}"));
    thread.spawn(run).map_err(|error| failed(name.clone(), error))?;
    started.recv().unwrap_or_else(|error| Err(failed(name, io::Error::other(error))))
}

fn failed(pool: String, reason: io::Error) -> PoolError {
    StartError::Prepare { pool, reason }.into()
}
