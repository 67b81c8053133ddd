//! An accepted job, seen from its caller's side.

use super::offering::Submitted;
use crate::pool::core::Core;
use procpool_protocol::outcome::{Finished, Refusal, Timing};
use procpool_protocol::{JobError, Stage};
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;

/// An accepted job whose outcome somebody waits for: the future of that outcome. Dropping it before that cancels the job.
#[derive(Debug)]
pub(crate) struct Pending<C: Deref<Target = Core> = Arc<Core>> {
    core: C,
    job: Option<Submitted>,
}

impl<C: Deref<Target = Core>> Pending<C> {
    pub(crate) fn new(core: C, job: Submitted) -> Self {
        Self { core, job: Some(job) }
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

    pub(crate) fn cancel(&self) -> bool {
        self.job.as_ref().is_some_and(|job| self.core.cancel_key(job.key))
    }

    pub(crate) fn core(&self) -> &C {
        &self.core
    }
}

impl<C: Deref<Target = Core> + Unpin> Future for Pending<C> {
    type Output = Finished;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Finished> {
        let this = self.get_mut();
        let Some(job) = &mut this.job else { panic!("a job's outcome is polled after it was returned") };
        let id = job.id;
        let without_outcome = |error: JobError| Finished::new(id, Timing::default(), Err(error.into()));
        if !this.core.is_here() {
            // Its parent hears of the outcome, and this process never will.
            return Poll::Ready(without_outcome(this.core.refused(Refusal::Forked).into()));
        }
        let outcome = ready!(Pin::new(&mut job.outcome).poll(context));
        this.job = None;
        if let Ok(finished) = &outcome {
            this.core.untaken.taken(finished);
        }
        // The pool answers every job before it lets go of it; this is for a pool that was torn down by
        // a panic.
        Poll::Ready(outcome.unwrap_or_else(|oneshot::error::RecvError { .. }| {
            without_outcome(JobError::shut_down(Stage::Running))
        }))
    }
}

impl<C: Deref<Target = Core>> Drop for Pending<C> {
    fn drop(&mut self) {
        self.cancel();
        self.leave();
    }
}
