//! [`Detaching`]: the outcome of a job that goes on when nobody waits for it any longer.

use crate::access::Permit;
use crate::config::OnDisconnect;
use procpool_protocol::engine::{Accepted, BoxFuture};
use procpool_protocol::outcome::Finished;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Returns the outcome of a job with this fate, should its client hang up. A job that goes on keeps its part of a quota.
pub(crate) fn outcome(
    accepted: Accepted,
    fate: OnDisconnect,
    permit: &Permit,
) -> BoxFuture<'static, Finished> {
    match fate {
        OnDisconnect::Cancel => accepted.outcome,
        OnDisconnect::Detach => Box::pin(Detaching::new(accepted, permit.clone())),
    }
}

/// The outcome of a job. Dropping it before it is ready leaves the job to a task of its own.
pub(crate) struct Detaching {
    outcome: Option<BoxFuture<'static, Finished>>,
    permit: Permit,
}

impl Detaching {
    pub(crate) fn new(accepted: Accepted, permit: Permit) -> Self {
        Self { outcome: Some(accepted.outcome), permit }
    }
}

impl Future for Detaching {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Finished> {
        let Some(outcome) = &mut self.outcome else { return Poll::Pending };
        let finished = ready!(outcome.as_mut().poll(context));
        self.outcome = None;
        Poll::Ready(finished)
    }
}

impl Drop for Detaching {
    fn drop(&mut self) {
        // Without a runtime, the job is cancelled: nobody would hear of its end.
        if let (Some(outcome), Ok(runtime)) = (self.outcome.take(), tokio::runtime::Handle::try_current()) {
            let permit = self.permit.clone();
            runtime.spawn(async move {
                outcome.await;
                drop(permit);
            });
        }
    }
}
