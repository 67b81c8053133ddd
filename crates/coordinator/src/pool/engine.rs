//! A pool as an [`Engine`] of its own: for a store that hands jobs to pools by their names.

use super::raw::RawPool;
use procpool_protocol::engine::{Accepted, Engine, JobLimits, Offered, Submission, Watched};
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::{JobError, JobId};

impl RawPool {
    /// Returns this pool, unless the job is for another one.
    fn own(&self, job: &Submission) -> Result<&Self, Refused> {
        let unknown = || Refused::new(&job.pool, Refusal::unknown_pool(vec![self.name().to_owned()]));
        if job.pool == self.name() { Ok(self) } else { Err(unknown()) }
    }
}

/// The engine of one pool. It refuses jobs of others.
impl Engine for RawPool {
    fn submit(&self, job: Submission) -> Result<Accepted, JobError> {
        self.own(&job)?.submit_for(job)
    }

    fn submit_watched(&self, id: JobId, job: Submission) -> Result<Watched, JobError> {
        self.own(&job)?.submit_watched(id, job)
    }

    fn limits_of(&self, job: &Submission) -> JobLimits {
        Self::limits_of(self, job.limits)
    }

    fn offer(&self, job: Submission) -> Result<Offered, JobError> {
        self.own(&job)?.offer_for(job)
    }

    fn pool_of(&self, job: JobId) -> Option<String> {
        self.has(job).then(|| self.name().to_owned())
    }

    fn cancel(&self, job: JobId) -> bool {
        Self::cancel(self, job)
    }
}
