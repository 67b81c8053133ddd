//! [`Detaching`]: the outcome of a job that goes on when nobody waits for it any longer.

use crate::config::OnDisconnect;
use procpool_protocol::engine::{Accepted, BoxFuture};
use procpool_protocol::outcome::Finished;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Returns the outcome of a job with this fate, should its client hang up.
pub(crate) fn outcome(accepted: Accepted, fate: OnDisconnect) -> BoxFuture<'static, Finished> {
    match fate {
        OnDisconnect::Cancel => accepted.outcome,
        OnDisconnect::Detach => Box::pin(Detaching::from(accepted)),
    }
}

/// The outcome of a job. Dropping it before it is ready leaves the job to a task of its own.
pub(crate) struct Detaching(Option<BoxFuture<'static, Finished>>);

impl From<Accepted> for Detaching {
    fn from(accepted: Accepted) -> Self {
        Self(Some(accepted.outcome))
    }
}

impl Future for Detaching {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Finished> {
        let Some(outcome) = &mut self.0 else { return Poll::Pending };
        let finished = ready!(outcome.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(finished)
    }
}

impl Drop for Detaching {
    fn drop(&mut self) {
        // Without a runtime, the job is cancelled: nobody would hear of its end.
        if let (Some(outcome), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(outcome);
        }
    }
}
