//! Changes to the pools of a coordinator that runs: pools come, go and change, and no job fails.

use super::Coordinator;
use crate::deaths::DeathLog;
use crate::pool::{PoolConfig, PoolError, RawPool};
use procpool_process::StartError;
use procpool_protocol::engine::PoolSettings;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Changes that a coordinator makes together, or not at all.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PoolChanges {
    /// Pools to start. One that has the name of a running pool takes its place.
    pub start: Vec<PoolConfig>,
    /// Names of pools to remove.
    pub remove: Vec<String>,
    /// The settings with which running pools are configured from now on. A setting that an operator has changed
    /// stays, unless it is another here than it was configured before.
    pub configure: Vec<(String, PoolSettings)>,
}

impl PoolChanges {
    /// Returns whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.start.is_empty() && self.remove.is_empty() && self.configure.is_empty()
    }
}

impl Coordinator {
    /// Changes the pools. First starts the new ones, and waits until each has a worker that is ready, if it has a
    /// minimum of workers. Then every job goes to the new pools. A pool that is removed or replaced ends the jobs
    /// that it has accepted, and then its workers.
    ///
    /// Who holds a pool that [`pool`](Self::pool) has returned asks for it again: one that was removed or replaced
    /// refuses jobs.
    ///
    /// # Errors
    /// The error of the first pool that does not start. Nothing has changed.
    pub async fn change(&self, changes: PoolChanges) -> Result<(), PoolError> {
        let _one_at_a_time = self.pools.changing.lock().await;
        let PoolChanges { mut start, remove, configure } = changes;
        for config in &mut start {
            // Names of workers are never used again.
            config.numbers = self.pools.get(&config.name).map(|pool| pool.numbers());
        }
        let started = start_all(start, &self.deaths).await?;
        for (name, new) in &started {
            if let Some(old) = self.pools.get(name) {
                new.treat_jobs_as(&old);
            }
        }
        let Some(gone) = self.pools.exchange(started, &remove) else {
            let reason = std::io::Error::other("the coordinator is shutting down");
            return Err(StartError::prepare("the coordinator", reason).into());
        };
        for (name, settings) in configure {
            if let Some(pool) = self.pools.get(&name) {
                pool.configure(&settings);
            }
        }
        for pool in gone {
            pool.close();
            let pools = self.pools.clone();
            tokio::spawn(async move {
                pool.ended().await;
                pools.has_left(&pool);
                tracing::info!(pool = pool.name(), "a pool that was removed or replaced has ended its jobs");
            });
        }
        Ok(())
    }
}

/// Starts these pools, whose deaths go into one log, and waits for each.
pub(super) async fn start_all(
    configs: Vec<PoolConfig>,
    deaths: &Arc<DeathLog>,
) -> Result<BTreeMap<String, RawPool>, PoolError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = configs.iter().find(|pool| !names.insert(&pool.name)) {
        return Err(PoolError::Duplicate { pool: twice.name.clone() });
    }
    let mut starting = JoinSet::new();
    for mut config in configs {
        config.deaths = Some(deaths.clone());
        starting.spawn(RawPool::start(config));
    }
    let mut pools = BTreeMap::new();
    while let Some(started) = starting.join_next().await {
        let pool = match started {
            Ok(pool) => pool?,
            Err(error) => {
                let reason = std::io::Error::other(error);
                return Err(StartError::prepare("the coordinator", reason).into());
            }
        };
        pools.insert(pool.name().to_owned(), pool);
    }
    Ok(pools)
}
