//! An accepted job, seen from its caller's side.

use super::offering::Submitted;
use crate::pool::core::Core;
use procpool_protocol::outcome::{Finished, Refusal, Timing};
use procpool_protocol::{JobError, JobId, Stage};
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::oneshot;

/// An accepted job whose outcome somebody waits for; dropped before that, it is cancelled.
#[derive(Debug)]
pub(crate) struct Pending<C: Deref<Target = Core> = Arc<Core>> {
    core: C,
    job: Option<Submitted>,
}

impl<C: Deref<Target = Core>> Pending<C> {
    pub(crate) fn new(core: C, job: Submitted) -> Self {
        Self { core, job: Some(job) }
    }

    pub(crate) async fn outcome(mut self) -> Finished {
        let Some(job) = &mut self.job else { unreachable!("a pending job is taken only by this method") };
        let id = job.id;
        if !self.core.is_here() {
            // Its parent hears of the outcome, and this process never will.
            let result = Err(self.core.refused(Refusal::Forked).into());
            return Finished { id, timing: Timing::default(), result, report: None };
        }
        let outcome = (&mut job.outcome).await;
        self.job = None;
        if let Ok(finished) = &outcome {
            self.core.untaken.taken(finished);
        }
        // The pool answers every job before it lets go of it; this is for a pool that was torn down by
        // a panic.
        outcome.unwrap_or_else(|oneshot::error::RecvError { .. }| Finished {
            id,
            timing: Timing::default(),
            result: Err(JobError::ShutDown { stage: Stage::Running }.into()),
            report: None,
        })
    }

    /// Lets the job go on though nobody waits for its outcome.
    pub(crate) fn detach(mut self) {
        self.leave();
    }

    fn leave(&mut self) {
        if let Some(job) = self.job.take() {
            self.core.untaken.leave(job.outcome);
        }
    }

    /// Allows the job to send more chunks.
    pub(crate) fn grant(&self, chunks: u32) {
        if let Some(job) = &self.job {
            // A worker that does not read its credit is found out when it sends its next chunk.
            let _ = self.core.grant(job.key, chunks);
        }
    }

    pub(crate) fn cancel(&self) -> bool {
        self.job.as_ref().is_some_and(|job| self.core.cancel_key(job.key))
    }

    /// Whether this process is the one that submitted the job, and no fork of it.
    pub(crate) fn is_here(&self) -> bool {
        self.core.is_here()
    }

    pub(crate) fn id(&self) -> Option<JobId> {
        self.job.as_ref().map(|job| job.id)
    }
}

impl<C: Deref<Target = Core>> Drop for Pending<C> {
    fn drop(&mut self) {
        self.cancel();
        self.leave();
    }
}
