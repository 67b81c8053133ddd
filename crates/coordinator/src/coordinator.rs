//! [`Coordinator`]: the pools of one configuration, behind one listener and one shutdown.

use crate::pool::{NotThatJob, Pool, PoolConfig, PoolError, RawPool, ShutdownReport};
use procpool_process::{ContractMismatch, EncodingMismatch, StartError};
use procpool_protocol::engine::{
    Accepted, Admin, BoxFuture, Engine, JobLimits, Offered, PoolSchemas, PoolSettings, PoolStatus,
    Quarantine, ReconfigureError, ReloadError, ReloadReport, Reloaded, Submission, Watched, WorkerOrder,
    WorkerStatus,
};
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::{Job, JobError, JobId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The pools of a service. Clones share them.
///
/// ```no_run
/// # use procpool_coordinator::{Coordinator, CoordinatorConfig, Executable, Pool};
/// # use std::time::Duration;
/// # procpool_protocol::job!(Fib, "fib", u64 => u64);
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let fib = Pool::<Fib>::builder(Executable::find("procpool-fib")?).workers(1..=4).config()?;
/// let coordinator = Coordinator::start(CoordinatorConfig::new([fib])).await?;
/// println!("{}", coordinator.pool::<Fib>("fib")?.run(40).await?);
/// coordinator.shutdown(Duration::from_secs(10)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Coordinator {
    pools: Arc<BTreeMap<String, RawPool>>,
}

/// The parts of a coordinator.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CoordinatorConfig {
    /// Its pools.
    pub pools: Vec<PoolConfig>,
}

impl CoordinatorConfig {
    /// Creates a configuration of these pools.
    pub fn new(pools: impl IntoIterator<Item = PoolConfig>) -> Self {
        Self { pools: pools.into_iter().collect() }
    }
}

/// A coordinator has no such pool, or one of another job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoPool {
    /// There is no pool of that name.
    #[error("there is no pool `{name}`; there are: {}", known.join(", "))]
    #[non_exhaustive]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names of the existing pools.
        known: Vec<String>,
    },
    /// Its workers serve another job or version.
    #[error("pool `{name}` is not of the job that was asked for: {mismatch}")]
    #[non_exhaustive]
    Mismatch {
        /// The pool.
        name: String,
        /// The expected and the found value.
        mismatch: Box<ContractMismatch>,
    },
    /// Its workers do not read the encoding in which the job is sent.
    #[error("pool `{name}` cannot run the job that was asked for: {mismatch}")]
    #[non_exhaustive]
    Encoding {
        /// The pool.
        name: String,
        /// The encoding that the workers would be sent, and those that they read.
        mismatch: Box<EncodingMismatch>,
    },
}

impl Coordinator {
    /// Starts every pool, and waits until each has a worker that is ready, if it has a minimum of workers.
    ///
    /// # Errors
    /// The error of the first pool that does not start. Pools that did start are shut down again.
    pub async fn start(config: CoordinatorConfig) -> Result<Self, PoolError> {
        let mut names = BTreeSet::new();
        if let Some(twice) = config.pools.iter().find(|pool| !names.insert(&pool.name)) {
            return Err(PoolError::Duplicate { pool: twice.name.clone() });
        }
        let mut starting = JoinSet::new();
        for config in config.pools {
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
        Ok(Self { pools: Arc::new(pools) })
    }

    /// Returns a typed view of a pool.
    ///
    /// # Errors
    /// When there is no such pool, or its workers are of another job or version, or do not read the encoding
    /// of `J`.
    pub fn pool<J: Job>(&self, name: &str) -> Result<Pool<J>, NoPool> {
        Pool::of(self.raw(name)?).map_err(|mismatch| match mismatch {
            NotThatJob::Contract(mismatch) => {
                NoPool::Mismatch { name: name.into(), mismatch: Box::new(mismatch) }
            }
            NotThatJob::Encoding(mismatch) => {
                NoPool::Encoding { name: name.into(), mismatch: Box::new(mismatch) }
            }
        })
    }

    /// Returns a pool without types.
    ///
    /// # Errors
    /// When there is no such pool.
    pub fn raw(&self, name: &str) -> Result<RawPool, NoPool> {
        let unknown = || NoPool::Unknown { name: name.into(), known: self.names() };
        self.pools.get(name).cloned().ok_or_else(unknown)
    }

    /// Accepts no further jobs, lets accepted jobs finish for up to `drain`, ends the rest as shut down, and
    /// returns when every worker of every pool has exited.
    pub async fn shutdown(&self, drain: Duration) -> ShutdownReport {
        let mut draining = JoinSet::new();
        for pool in self.pools.values() {
            let pool = pool.clone();
            draining.spawn(async move { pool.shutdown(drain).await });
        }
        let mut sum = ShutdownReport::default();
        while let Some(report) = draining.join_next().await {
            let report = report.unwrap_or_default();
            sum.finished += report.finished;
            sum.shut_down += report.shut_down;
        }
        sum
    }

    /// Reloads every pool at once, as [`Pool::reload`] does one. Returns each pool's result.
    pub async fn reload(&self) -> Vec<Result<ReloadReport, ReloadError>> {
        let mut reloading = JoinSet::new();
        for pool in self.pools.values() {
            let pool = pool.clone();
            reloading.spawn(async move { pool.reload().await });
        }
        reloading.join_all().await
    }

    fn pool_of(&self, job: &Submission) -> Result<&RawPool, Refused> {
        let unknown = || Refused::new(&job.pool, Refusal::unknown_pool(self.names()));
        self.pools.get(&job.pool).ok_or_else(unknown)
    }

    fn names(&self) -> Vec<String> {
        self.pools.keys().cloned().collect()
    }
}

impl Engine for Coordinator {
    fn submit(&self, job: Submission) -> Result<Accepted, JobError> {
        self.pool_of(&job)?.submit_for(job)
    }

    fn offer(&self, job: Submission) -> Result<Offered, JobError> {
        self.pool_of(&job)?.offer_for(job)
    }

    fn submit_watched(&self, id: JobId, job: Submission) -> Result<Watched, JobError> {
        match self.pools.get(&job.pool) {
            Some(pool) => pool.submit_watched(id, job),
            None => Err(Refused::new(job.pool, Refusal::unknown_pool(self.names())).into()),
        }
    }

    fn limits_of(&self, job: &Submission) -> JobLimits {
        self.pools.get(&job.pool).map_or(job.limits, |pool| pool.limits_of(job.limits))
    }

    fn cancel(&self, job: JobId) -> bool {
        self.pools.values().any(|pool| pool.cancel(job))
    }
}

impl Admin for Coordinator {
    fn pools(&self) -> Vec<PoolStatus> {
        self.pools.values().map(RawPool::status).collect()
    }

    fn workers(&self, pool: &str) -> Option<Vec<WorkerStatus>> {
        self.pools.get(pool).map(RawPool::workers)
    }

    fn schemas(&self, pool: &str) -> Option<Arc<PoolSchemas>> {
        self.pools.get(pool).and_then(RawPool::schemas)
    }

    fn reload(&self, pool: &str) -> BoxFuture<'_, Reloaded> {
        let pool = self.pools.get(pool);
        Box::pin(async move { Some(pool?.reload().await) })
    }

    fn set_paused(&self, pool: &str, paused: bool) -> Option<()> {
        let pool = self.pools.get(pool)?;
        if paused {
            pool.pause();
        } else {
            pool.resume();
        }
        Some(())
    }

    fn drain(&self, pool: &str) -> Option<()> {
        self.pools.get(pool).map(RawPool::drain)
    }

    fn order_worker(&self, worker: &str, order: WorkerOrder) -> Option<String> {
        let pool = self.pools.values().find(|pool| pool.order_worker(worker, order))?;
        Some(pool.name().to_owned())
    }

    fn settings(&self, pool: &str) -> Option<(PoolSettings, PoolSettings)> {
        let pool = self.pools.get(pool)?;
        Some((pool.settings(), pool.configured()))
    }

    fn reconfigure(
        &self,
        pool: &str,
        from: &PoolSettings,
        to: &PoolSettings,
    ) -> Option<Result<(), ReconfigureError>> {
        Some(self.pools.get(pool)?.reconfigure_from(from, to))
    }

    fn quarantine(&self, pool: &str) -> Option<Quarantine> {
        self.pools.get(pool).map(RawPool::quarantine)
    }

    fn clear_quarantine(&self, pool: &str, fingerprint: Option<&str>) -> Option<usize> {
        Some(self.pools.get(pool)?.clear_quarantine(fingerprint))
    }
}
