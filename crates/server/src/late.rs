//! A coordinator that is still starting: the server answers from the first moment, so that a load
//! balancer sees `/readyz` say 503 and a supervisor `/livez` say OK while workers load their state.

use procpool_coordinator::Coordinator;
use procpool_protocol::engine::{
    Accepted, Admin, BoxFuture, Engine, PoolSchemas, PoolStatus, Reloaded, Submission, WorkerStatus,
};
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::{JobError, JobId};
use std::future::ready;
use std::sync::{Arc, OnceLock};

/// Refuses jobs until there is a coordinator, and is that coordinator from then on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Late(Arc<OnceLock<Coordinator>>);

impl Late {
    /// From now on jobs are run.
    pub(crate) fn arrive(&self, coordinator: Coordinator) {
        // The first one stays: there is only one start.
        let _ = self.0.set(coordinator);
    }

    /// The coordinator, once there is one.
    pub(crate) fn get(&self) -> Option<&Coordinator> {
        self.0.get()
    }
}

impl Engine for Late {
    fn submit(&self, job: Submission) -> BoxFuture<'_, Result<Accepted, JobError>> {
        match self.get() {
            Some(coordinator) => coordinator.submit(job),
            None => {
                let refused = Refused { pool: job.pool, reason: Refusal::Starting };
                Box::pin(ready(Err(refused.into())))
            }
        }
    }

    fn cancel(&self, job: JobId) -> BoxFuture<'_, bool> {
        self.get().map_or_else(|| Box::pin(ready(false)) as BoxFuture<'_, bool>, |it| it.cancel(job))
    }
}

impl Admin for Late {
    fn pools(&self) -> BoxFuture<'_, Vec<PoolStatus>> {
        self.get().map_or_else(|| Box::pin(ready(Vec::new())) as BoxFuture<'_, _>, Admin::pools)
    }

    fn workers(&self, pool: &str) -> BoxFuture<'_, Option<Vec<WorkerStatus>>> {
        match self.get() {
            Some(coordinator) => Admin::workers(coordinator, pool),
            None => Box::pin(ready(None)),
        }
    }

    fn schemas(&self, pool: &str) -> BoxFuture<'_, Option<Arc<PoolSchemas>>> {
        match self.get() {
            Some(coordinator) => Admin::schemas(coordinator, pool),
            None => Box::pin(ready(None)),
        }
    }

    fn reload(&self, pool: &str) -> BoxFuture<'_, Reloaded> {
        match self.get() {
            Some(coordinator) => Admin::reload(coordinator, pool),
            None => Box::pin(ready(None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_coordinator::CoordinatorConfig;
    use procpool_protocol::engine::JobLimits;
    use procpool_protocol::{Encoding, Payload};

    async fn reason(late: &Late) -> Refusal {
        let (input, limits) = (Payload::json("1"), JobLimits::default());
        let job =
            Submission { pool: "fib".into(), input, reply: Encoding::Json, limits, reports_usage: false };
        match late.submit(job).await {
            Err(JobError::Refused(refused)) => refused.reason,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[tokio::test]
    async fn jobs_are_told_to_come_back_until_the_coordinator_is_there() {
        let late = Late::default();
        assert_eq!(reason(&late).await, Refusal::Starting);
        assert!(late.pools().await.is_empty());

        late.arrive(Coordinator::start(CoordinatorConfig::default()).await.unwrap());
        assert_eq!(reason(&late).await, Refusal::UnknownPool { known: Vec::new() });
    }
}
