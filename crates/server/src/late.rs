//! A coordinator that is still starting: the server answers from the first moment, so that a load
//! balancer sees `/readyz` say 503 and a supervisor `/livez` say OK while workers load their state.

use crate::cluster::Hosts;
use crate::reload::{self, Configuration};
use crate::spans::{Following, Spans};
use procpool_coordinator::Coordinator;
use procpool_jobs::Jobs;
use procpool_nats::ClusterJobs;
use procpool_protocol::engine::{
    self, Accepted, Admin, BoxFuture, ConfigReloadError, ConfigReport, Death, DeathGroup, DeathPage,
    DeathQuery, Engine, InspectionError, JobLimits, Offered, OutputOf, PoolFigures, PoolHistory, PoolSample,
    PoolSchemas, PoolSettings, PoolStatus, PoolUsage, Profile, Quarantine, ReconfigureError, Reloaded,
    StackOptions, Submission, Watched, WorkerDetail, WorkerOrder, WorkerStatus,
};
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::stack::Stack;
use procpool_protocol::{JobError, JobId};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Refuses jobs until there is a coordinator, and is that coordinator from then on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Late {
    arrived: Arc<OnceLock<(Coordinator, Configuration)>>,
    spans: Spans,
    /// Runs the jobs of its pools, wherever that is.
    cluster: Arc<OnceLock<ClusterJobs>>,
    hosts: Hosts,
}

impl Late {
    /// Returns one that makes spans of traced jobs.
    pub(crate) fn with_spans(spans: Spans) -> Self {
        Self { spans, ..Self::default() }
    }

    /// Sends jobs of the cluster's pools to the cluster from now on.
    pub(crate) fn join(&self, cluster: ClusterJobs) {
        // The first one stays: there is only one start.
        let _ = self.cluster.set(cluster);
    }

    /// Returns one that runs all jobs here, with the same coordinator.
    pub(crate) fn here(&self) -> Self {
        Self { cluster: Arc::default(), ..self.clone() }
    }

    /// Returns the cluster, if there is one.
    pub(crate) fn cluster(&self) -> Option<&ClusterJobs> {
        self.cluster.get()
    }

    fn cluster_of(&self, pool: &str) -> Option<&ClusterJobs> {
        self.cluster().filter(|cluster| cluster.is_durable(pool))
    }

    /// Returns the pools of the cluster that have no worker here.
    fn remote_pools(&self) -> Vec<PoolStatus> {
        let Some(cluster) = self.cluster() else { return Vec::new() };
        let pools = cluster.front().cluster().settings().pools.iter();
        pools.map(|pool| PoolStatus::new(&pool.name, "on the nodes of the cluster")).collect()
    }

    /// Sets the coordinator: from now on jobs are run.
    pub(crate) fn arrive(&self, coordinator: Coordinator, configuration: Configuration) {
        // The first one stays: there is only one start.
        let _ = self.arrived.set((coordinator, configuration));
    }

    /// Returns the coordinator, once there is one.
    pub(crate) fn get(&self) -> Option<&Coordinator> {
        self.arrived.get().map(|(coordinator, _)| coordinator)
    }

    /// Returns the configuration that can be read again, once the coordinator is there.
    pub(crate) fn configuration(&self) -> Option<&Configuration> {
        self.arrived.get().map(|(_, configuration)| configuration)
    }

    /// Reads the configuration again, and logs the result.
    pub(crate) async fn reload_config(&self, rehearsal: bool) -> Result<ConfigReport, ConfigReloadError> {
        let (coordinator, configuration) = self.arrived.get().ok_or(ConfigReloadError::NotServing)?;
        let reloaded = configuration.reload(coordinator, rehearsal).await;
        if !rehearsal {
            reload::log(&reloaded);
        }
        reloaded
    }
}

impl Engine for Late {
    fn submit(&self, job: Submission) -> Result<Accepted, JobError> {
        if let Some(cluster) = self.cluster_of(&job.pool) {
            return Ok(followed(self.spans.of(&job), cluster.submit(job)));
        }
        match self.get() {
            Some(coordinator) => {
                let span = self.spans.of(&job);
                Ok(followed(span, coordinator.submit(job)?))
            }
            None => Err(Refused::new(job.pool, Refusal::Starting).into()),
        }
    }

    fn submit_watched(&self, id: JobId, job: Submission) -> Result<Watched, JobError> {
        match self.get() {
            Some(coordinator) => {
                let span = self.spans.of(&job);
                let mut watched = coordinator.submit_watched(id, job)?;
                watched.accepted = followed(span, watched.accepted);
                Ok(watched)
            }
            None => Err(Refused::new(job.pool, Refusal::Starting).into()),
        }
    }

    fn offer(&self, job: Submission) -> Result<Offered, JobError> {
        if self.cluster_of(&job.pool).is_some() {
            return self.submit(job).map(Offered::Accepted);
        }
        match self.get() {
            Some(coordinator) => {
                let span = self.spans.of(&job);
                Ok(match coordinator.offer(job)? {
                    Offered::Accepted(accepted) => Offered::Accepted(followed(span, accepted)),
                    Offered::Waiting(waiting) if span.is_some() => {
                        Offered::Waiting(Box::pin(async move { Ok(followed(span, waiting.await?)) }))
                    }
                    waiting => waiting,
                })
            }
            None => Err(Refused::new(job.pool, Refusal::Starting).into()),
        }
    }

    fn limits_of(&self, job: &Submission) -> JobLimits {
        self.get().map_or(job.limits, |coordinator| coordinator.limits_of(job))
    }

    fn pool_of(&self, job: JobId) -> Option<String> {
        self.get()?.pool_of(job)
    }

    fn cancel(&self, job: JobId) -> bool {
        self.get().is_some_and(|coordinator| coordinator.cancel(job))
    }
}

/// Makes a span of a job's outcome, if it is followed.
fn followed(span: Option<Following>, accepted: Accepted) -> Accepted {
    match span {
        Some(span) => span.follow(accepted),
        None => accepted,
    }
}

impl Admin for Late {
    fn pools(&self) -> Vec<PoolStatus> {
        let mut pools = self.get().map(Admin::pools).unwrap_or_default();
        let elsewhere = self.remote_pools().into_iter();
        let elsewhere = elsewhere.filter(|it| !pools.iter().any(|pool| pool.name == it.name));
        let elsewhere: Vec<_> = elsewhere.collect();
        pools.extend(elsewhere);
        pools.sort_by(|one, other| one.name.cmp(&other.name));
        pools
    }

    fn figures(&self) -> Vec<PoolFigures> {
        self.get().map(Admin::figures).unwrap_or_default()
    }

    fn hosts(&self) -> Option<BoxFuture<'_, engine::Hosts>> {
        let cluster = self.cluster()?.front().cluster();
        Some(Box::pin(self.hosts.look(cluster)))
    }

    fn history(&self, pool: &str, seconds: usize) -> Option<PoolHistory> {
        self.get()?.history(pool, seconds)
    }

    fn workers(&self, pool: &str) -> Option<Vec<WorkerStatus>> {
        self.get()?.workers(pool)
    }

    fn usage(&self, pool: &str) -> BoxFuture<'_, Option<Arc<PoolUsage>>> {
        let coordinator = self.get();
        let pool = pool.to_owned();
        Box::pin(async move { coordinator?.usage(&pool).await })
    }

    fn sample(&self, samples: &mut Vec<PoolSample>) {
        match self.get() {
            Some(coordinator) => coordinator.sample(samples),
            None => samples.clear(),
        }
    }

    fn schemas(&self, pool: &str) -> Option<Arc<PoolSchemas>> {
        self.get()?.schemas(pool)
    }

    fn reload(&self, pool: &str) -> BoxFuture<'_, Reloaded> {
        let coordinator = self.get();
        let pool = pool.to_owned();
        Box::pin(async move { Admin::reload(coordinator?, &pool).await })
    }

    fn set_paused(&self, pool: &str, paused: bool) -> Option<()> {
        self.get()?.set_paused(pool, paused)
    }

    fn drain(&self, pool: &str) -> Option<()> {
        self.get()?.drain(pool)
    }

    fn order_worker(&self, worker: &str, order: WorkerOrder) -> Option<String> {
        self.get()?.order_worker(worker, order)
    }

    fn pool_of_worker(&self, worker: &str) -> Option<String> {
        Admin::pool_of_worker(self.get()?, worker)
    }

    fn worker(&self, worker: &str) -> BoxFuture<'_, Result<WorkerDetail, InspectionError>> {
        match self.get() {
            Some(coordinator) => coordinator.worker(worker),
            None => unknown(worker),
        }
    }

    fn stack(&self, worker: &str, options: StackOptions) -> BoxFuture<'_, Result<Stack, InspectionError>> {
        match self.get() {
            Some(coordinator) => coordinator.stack(worker, options),
            None => unknown(worker),
        }
    }

    fn profile(&self, worker: &str, time: Duration) -> BoxFuture<'_, Result<Profile, InspectionError>> {
        match self.get() {
            Some(coordinator) => coordinator.profile(worker, time),
            None => unknown(worker),
        }
    }

    fn settings(&self, pool: &str) -> Option<(PoolSettings, PoolSettings)> {
        self.get()?.settings(pool)
    }

    fn reconfigure(
        &self,
        pool: &str,
        from: &PoolSettings,
        to: &PoolSettings,
    ) -> Option<Result<(), ReconfigureError>> {
        self.get()?.reconfigure(pool, from, to)
    }

    fn reload_config(&self, rehearsal: bool) -> BoxFuture<'_, Result<ConfigReport, ConfigReloadError>> {
        let this = self.clone();
        // A client that hangs up does not leave half of it.
        let reloading = tokio::spawn(async move {
            if let Some(configuration) = this.configuration().filter(|_| !rehearsal) {
                configuration.reload_keys().await;
            }
            this.reload_config(rehearsal).await
        });
        Box::pin(async { reloading.await.unwrap_or(Err(ConfigReloadError::NotServing)) })
    }

    fn output(&self, worker: &str) -> Option<OutputOf> {
        self.get()?.output(worker)
    }

    fn deaths(&self, query: &DeathQuery) -> DeathPage {
        self.get().map(|coordinator| Admin::deaths(coordinator, query)).unwrap_or_default()
    }

    fn death(&self, id: u64) -> Option<Arc<Death>> {
        self.get()?.death(id)
    }

    fn death_groups(&self) -> Vec<DeathGroup> {
        self.get().map(Admin::death_groups).unwrap_or_default()
    }

    fn quarantine(&self, pool: &str) -> Option<Quarantine> {
        self.get()?.quarantine(pool)
    }

    fn clear_quarantine(&self, pool: &str, fingerprint: Option<&str>) -> Option<usize> {
        self.get()?.clear_quarantine(pool, fingerprint)
    }
}

fn unknown<T: Send>(worker: &str) -> BoxFuture<'static, Result<T, InspectionError>> {
    let error = InspectionError::unknown(worker);
    Box::pin(async { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reload::Loaded;
    use procpool_coordinator::CoordinatorConfig;
    use procpool_protocol::{Encoding, Payload};

    fn reason(late: &Late) -> Refusal {
        match late.submit(Submission::new("fib", Payload::json("1"), Encoding::Json)) {
            Err(JobError::Refused(refused)) => refused.reason,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[tokio::test]
    async fn jobs_are_told_to_come_back_until_the_coordinator_is_there() {
        let late = Late::default();
        assert_eq!(reason(&late), Refusal::Starting);
        assert!(late.pools().is_empty());

        let configuration = Configuration::new(None, crate::config::Overrides::default(), Loaded::default());
        late.arrive(Coordinator::start(CoordinatorConfig::default()).await.unwrap(), configuration);
        assert_eq!(late.reload_config(true).await, Err(ConfigReloadError::NoFile));
        assert_eq!(reason(&late), Refusal::unknown_pool(Vec::new()));
    }
}
