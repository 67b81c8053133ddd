//! [`Engines`]: the pools of a store, by their names.

use crate::raw::{Accepted, Engine, JobLimits, RawPool, Submission};
use crate::{JobError, JobId};
use procpool_protocol::engine::{Offered, Watched};
use procpool_protocol::outcome::{Refusal, Refused};
use std::collections::BTreeMap;

/// Hands each job to the pool that it names.
#[derive(Debug, Default)]
pub(super) struct Engines(pub(super) BTreeMap<String, RawPool>);

impl Engines {
    fn of(&self, job: &Submission) -> Result<&dyn Engine, Refused> {
        let unknown = || Refused::new(&job.pool, Refusal::unknown_pool(self.0.keys().cloned().collect()));
        self.0.get(&job.pool).map(|pool| pool as &dyn Engine).ok_or_else(unknown)
    }
}

impl Engine for Engines {
    fn submit(&self, job: Submission) -> Result<Accepted, JobError> {
        self.of(&job)?.submit(job)
    }

    fn submit_watched(&self, id: JobId, job: Submission) -> Result<Watched, JobError> {
        self.of(&job)?.submit_watched(id, job)
    }

    fn limits_of(&self, job: &Submission) -> JobLimits {
        self.of(job).map_or(job.limits, |pool| pool.limits_of(job))
    }

    fn offer(&self, job: Submission) -> Result<Offered, JobError> {
        self.of(&job)?.offer(job)
    }

    fn pool_of(&self, job: JobId) -> Option<String> {
        self.0.values().find_map(|pool| pool.pool_of(job))
    }

    fn cancel(&self, job: JobId) -> bool {
        self.0.values().any(|pool| pool.cancel(job))
    }
}
