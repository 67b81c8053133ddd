//! The jobs of a frontend, whose submitters know no types: accepted or refused at once, or once there is room.

use super::caller::offering::Submitted;
use super::caller::pending::Pending;
use super::core::Core;
use super::raw::RawPool;
use super::state::open_job::NewJob;
use procpool_protocol::JobError;
use procpool_protocol::engine::{Accepted, Offered, Submission};
use std::sync::Arc;

impl RawPool {
    /// Submits a job whose worker may be asked for the job's use of resources.
    pub(crate) fn submit_for(&self, job: Submission) -> Result<Accepted, JobError> {
        self.submit_job(self.job_for(job))
    }

    /// Submits a job, which waits where the queue is full.
    pub(crate) fn offer_for(&self, job: Submission) -> Result<Offered, JobError> {
        let core = self.core();
        match core.offer(self.job_for(job)) {
            Ok(submitted) => Ok(Offered::Accepted(accepted(core, submitted))),
            Err(rejected) if rejected.reason.is_full_queue() => {
                let core = core.clone();
                Ok(Offered::Waiting(Box::pin(async move {
                    let submitted = core.submit_once_there_is_room(rejected.job).await;
                    let submitted = submitted.map_err(|rejected| core.refused(rejected.reason))?;
                    Ok(accepted(&core, submitted))
                })))
            }
            Err(rejected) => {
                core.count_refusal(&rejected.reason);
                Err(core.refused(rejected.reason).into())
            }
        }
    }

    pub(super) fn submit_job(&self, job: NewJob) -> Result<Accepted, JobError> {
        let core = self.core();
        let submitted = core.submit(job).map_err(|rejected| core.refused(rejected.reason))?;
        Ok(accepted(core, submitted))
    }

    fn job_for(&self, job: Submission) -> NewJob {
        let new = self.new_job(job.input, job.reply, job.limits, None, None);
        let Submission { reports_usage, client, priority, tenant, trace, .. } = job;
        NewJob { reports_usage, client, priority, tenant, trace, ..new }
    }
}

fn accepted(core: &Arc<Core>, submitted: Submitted) -> Accepted {
    Accepted::new(submitted.id, Pending::new(core.clone(), submitted))
}
