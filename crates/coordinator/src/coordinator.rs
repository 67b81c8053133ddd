//! [`Coordinator`]: the pools of one configuration, behind one listener and one shutdown.

mod changes;
mod pools;

pub use changes::PoolChanges;

pub(crate) use self::pools::Pools;
use crate::deaths::{DeathLimits, DeathLog};
use crate::history::{self, Histories};
use crate::pool::{NotThatJob, Pool, PoolConfig, PoolError, RawPool, ShutdownReport};
use procpool_process::{ContractMismatch, EncodingMismatch};
use procpool_protocol::engine::{
    Accepted, Admin, BoxFuture, Death, DeathGroup, DeathPage, DeathQuery, Engine, InspectionError, JobLimits,
    Offered, OutputOf, PoolFigures, PoolHistory, PoolSample, PoolSchemas, PoolSettings, PoolStatus,
    PoolUsage, Profile, Quarantine, ReconfigureError, ReloadError, ReloadReport, Reloaded, StackOptions,
    Submission, Watched, WorkerDetail, WorkerOrder, WorkerStatus,
};
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::stack::Stack;
use procpool_protocol::{Job, JobError, JobId};
use std::collections::BTreeMap;
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
    pub(crate) pools: Arc<Pools>,
    deaths: Arc<DeathLog>,
    histories: Arc<Histories>,
}

/// The parts of a coordinator.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CoordinatorConfig {
    /// Its pools.
    pub pools: Vec<PoolConfig>,
    /// How many deaths of workers it remembers.
    pub deaths: DeathLimits,
}

impl CoordinatorConfig {
    /// Creates a configuration of these pools.
    pub fn new(pools: impl IntoIterator<Item = PoolConfig>) -> Self {
        Self { pools: pools.into_iter().collect(), deaths: DeathLimits::default() }
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
        let deaths = DeathLog::new(config.deaths);
        let pools = changes::start_all(config.pools, &deaths).await?;
        let pools = Arc::new(Pools::new(pools));
        let histories = history::begin(&pools);
        Ok(Self { pools, deaths, histories })
    }

    /// Returns the deaths of workers that are remembered, those of removed pools among them.
    pub fn deaths(&self) -> &Arc<DeathLog> {
        &self.deaths
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
        self.pools.get(name).ok_or_else(unknown)
    }

    /// Accepts no further jobs, lets accepted jobs finish for up to `drain`, ends the rest as shut down, and
    /// returns when every worker of every pool has exited.
    pub async fn shutdown(&self, drain: Duration) -> ShutdownReport {
        let mut draining = JoinSet::new();
        for pool in self.pools.close() {
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
        for pool in self.pools.all() {
            reloading.spawn(async move { pool.reload().await });
        }
        reloading.join_all().await
    }

    /// Returns the pool that has, or had, the worker of this name.
    fn raw_of_worker(&self, worker: &str) -> Option<RawPool> {
        let pools: Vec<_> = self.pools.leaving().chain(self.pools.all()).collect();
        let has = |pool: &&RawPool| pool.switch_of(worker).is_ok();
        let had = |pool: &&RawPool| !matches!(pool.switch_of(worker), Err(InspectionError::Unknown { .. }));
        pools.iter().find(has).or_else(|| pools.iter().find(had)).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.pools.all().iter().map(|pool| pool.name().to_owned()).collect()
    }
}

/// Returns the pool of a job.
fn of<'a>(pools: &'a BTreeMap<String, RawPool>, job: &Submission) -> Result<&'a RawPool, Refused> {
    let unknown = || Refused::new(&job.pool, Refusal::unknown_pool(pools.keys().cloned().collect()));
    pools.get(&job.pool).ok_or_else(unknown)
}

impl Engine for Coordinator {
    fn submit(&self, job: Submission) -> Result<Accepted, JobError> {
        // A pool that is replaced meanwhile accepts the job, as its successor is put in its place afterwards.
        let pools = self.pools.read();
        of(&pools, &job)?.submit_for(job)
    }

    fn offer(&self, job: Submission) -> Result<Offered, JobError> {
        let pools = self.pools.read();
        of(&pools, &job)?.offer_for(job)
    }

    fn submit_watched(&self, id: JobId, job: Submission) -> Result<Watched, JobError> {
        let pools = self.pools.read();
        of(&pools, &job)?.submit_watched(id, job)
    }

    fn limits_of(&self, job: &Submission) -> JobLimits {
        self.pools.get(&job.pool).map_or(job.limits, |pool| pool.limits_of(job.limits))
    }

    fn pool_of(&self, job: JobId) -> Option<String> {
        let pools = self.pools.read();
        let current = pools.values().find(|pool| pool.has(job)).map(|pool| pool.name().to_owned());
        current.or_else(|| self.pools.leaving().find(|pool| pool.has(job)).map(|pool| pool.name().to_owned()))
    }

    fn cancel(&self, job: JobId) -> bool {
        self.pools.read().values().any(|pool| pool.cancel(job))
            || self.pools.leaving().any(|pool| pool.cancel(job))
    }
}

impl Admin for Coordinator {
    fn pools(&self) -> Vec<PoolStatus> {
        self.pools.read().values().map(RawPool::status).collect()
    }

    fn figures(&self) -> Vec<PoolFigures> {
        // Others change the pools meanwhile.
        self.pools.all().iter().map(RawPool::figures).collect()
    }

    fn history(&self, pool: &str, seconds: usize) -> Option<PoolHistory> {
        self.histories.of(pool, seconds)
    }

    fn workers(&self, pool: &str) -> Option<Vec<WorkerStatus>> {
        self.pools.read().get(pool).map(RawPool::workers)
    }

    fn usage(&self, pool: &str) -> BoxFuture<'_, Option<Arc<PoolUsage>>> {
        let pool = self.pools.get(pool);
        Box::pin(async move { Some(pool?.usage().await) })
    }

    fn sample(&self, samples: &mut Vec<PoolSample>) {
        let pools = self.pools.all();
        samples.resize_with(pools.len(), PoolSample::default);
        for (pool, sample) in pools.iter().zip(samples) {
            pool.sample(sample);
            let window = self.histories.window(pool.name()).unwrap_or_default();
            (sample.figures.wait, sample.figures.run) = window;
        }
    }

    fn schemas(&self, pool: &str) -> Option<Arc<PoolSchemas>> {
        self.pools.read().get(pool).and_then(RawPool::schemas)
    }

    fn reload(&self, pool: &str) -> BoxFuture<'_, Reloaded> {
        let pool = self.pools.get(pool);
        Box::pin(async move { Some(pool?.reload().await) })
    }

    fn set_paused(&self, pool: &str, paused: bool) -> Option<()> {
        let pools = self.pools.read();
        let pool = pools.get(pool)?;
        if paused {
            pool.pause();
        } else {
            pool.resume();
        }
        Some(())
    }

    fn drain(&self, pool: &str) -> Option<()> {
        self.pools.read().get(pool).map(RawPool::drain)
    }

    fn order_worker(&self, worker: &str, order: WorkerOrder) -> Option<String> {
        let pools = self.pools.all().into_iter().chain(self.pools.leaving());
        let pool = pools.into_iter().find(|pool| pool.order_worker(worker, order))?;
        Some(pool.name().to_owned())
    }

    fn pool_of_worker(&self, worker: &str) -> Option<String> {
        self.raw_of_worker(worker).map(|pool| pool.name().to_owned())
    }

    fn worker(&self, worker: &str) -> BoxFuture<'_, Result<WorkerDetail, InspectionError>> {
        let (pool, worker) = (self.raw_of_worker(worker), worker.to_owned());
        Box::pin(async move { pool.ok_or_else(|| InspectionError::unknown(&worker))?.detail(&worker).await })
    }

    fn stack(&self, worker: &str, options: StackOptions) -> BoxFuture<'_, Result<Stack, InspectionError>> {
        let (pool, worker) = (self.raw_of_worker(worker), worker.to_owned());
        Box::pin(async move {
            pool.ok_or_else(|| InspectionError::unknown(&worker))?.stack(&worker, options).await
        })
    }

    fn profile(&self, worker: &str, time: Duration) -> BoxFuture<'_, Result<Profile, InspectionError>> {
        let (pool, worker) = (self.raw_of_worker(worker), worker.to_owned());
        Box::pin(async move {
            pool.ok_or_else(|| InspectionError::unknown(&worker))?.profile(&worker, time).await
        })
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
        Some(self.pools.read().get(pool)?.reconfigure_from(from, to))
    }

    fn output(&self, worker: &str) -> Option<OutputOf> {
        let pools = self.pools.all().into_iter().chain(self.pools.leaving());
        let found = |pool: RawPool| Some(OutputOf::new(pool.name(), pool.output(worker)?));
        pools.into_iter().find_map(found)
    }

    fn deaths(&self, query: &DeathQuery) -> DeathPage {
        self.deaths.deaths(query)
    }

    fn death(&self, id: u64) -> Option<Arc<Death>> {
        self.deaths.death(id)
    }

    fn death_groups(&self) -> Vec<DeathGroup> {
        self.deaths.groups()
    }

    fn quarantine(&self, pool: &str) -> Option<Quarantine> {
        self.pools.read().get(pool).map(RawPool::quarantine)
    }

    fn clear_quarantine(&self, pool: &str, fingerprint: Option<&str>) -> Option<usize> {
        Some(self.pools.read().get(pool)?.clear_quarantine(fingerprint))
    }
}
