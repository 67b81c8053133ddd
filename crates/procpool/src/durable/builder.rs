//! [`JobsBuilder`]: the pools and settings of a store before it is opened.

use super::engines::Engines;
use super::error::OpenError;
use super::{Durability, Jobs, Retry};
use crate::{Job, Pool};
use procpool_jobs::{DurableJobs, DurableOptions, PoolOptions};
use procpool_registry::Settings;
use procpool_store::Store;
use std::path::PathBuf;
use std::sync::Arc;

/// Number of jobs that a pool which may not repeat them has for each of its workers: one runs, the other is next. Each is
/// lost with this process.
const CLAIMS: usize = 2;

/// The pools and settings of [`Jobs`].
#[derive(Debug)]
#[must_use]
pub struct JobsBuilder {
    directory: PathBuf,
    durability: Durability,
    pools: Engines,
    options: Vec<(String, PoolOptions)>,
    twice: Option<String>,
}

impl JobsBuilder {
    pub(super) fn new(directory: PathBuf) -> Self {
        let (pools, options) = (Engines::default(), Vec::new());
        Self { directory, durability: Durability::Fsync, pools, options, twice: None }
    }

    /// Sets what an accepted job survives. [`Durability::Fsync`], the default, survives a power cut.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Adds a pool. Waiting jobs find it by its name, also those of an earlier process: give it one with
    /// [`PoolBuilder::name`](crate::PoolBuilder::name). A job that fails is not tried again.
    pub fn pool<J: Job>(self, pool: &Pool<J>) -> Self {
        self.retrying_pool(pool, Retry::default())
    }

    /// Adds a pool whose failed jobs are tried again in this way.
    pub fn retrying_pool<J: Job>(mut self, pool: &Pool<J>, retry: Retry) -> Self {
        let (raw, limits) = (pool.raw().clone(), pool.raw().limits());
        let mut options = PoolOptions::default();
        options.idempotent = limits.idempotent.unwrap_or(J::IDEMPOTENT);
        options.max_attempts = limits.max_attempts;
        options.queue = limits.queue;
        options.claims = limits.max_workers.saturating_mul(CLAIMS);
        options.max_payload = usize::try_from(limits.max_payload).unwrap_or(usize::MAX);
        options.retry = retry;
        let name = raw.name().to_owned();
        self.options.push((name.clone(), options));
        if self.pools.0.insert(name.clone(), raw).is_some() {
            self.twice = Some(name);
        }
        self
    }

    /// Opens the store, decides the jobs that workers of an earlier process had, and begins to hand out those that wait.
    /// Reads every record once, on a thread that may block.
    ///
    /// # Errors
    /// Names the directory and the way out: it belongs to another user or process, is damaged or of a newer version.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn open(self) -> Result<Jobs, OpenError> {
        if let Some(name) = self.twice {
            return Err(OpenError::SameName { name });
        }
        let open = move || {
            let opened = Store::open(&self.directory, self.durability)?;
            let (engine, options) = (Arc::new(self.pools), DurableOptions::new(self.options));
            let jobs = DurableJobs::open(engine, Settings::on_disk(), opened.store, options)?;
            Ok(Jobs { jobs, damage: opened.damage.into() })
        };
        let opened = tokio::task::spawn_blocking(open).await;
        opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}
