//! A job of a map before it is submitted, and until its end.

use super::chunk::Chunk;
use crate::pool::caller::offering::Submitted;
use crate::pool::caller::pending::Pending;
use crate::pool::core::Core;
use crate::pool::state::open_job::{NewJob, Rejected};
use procpool_protocol::outcome::{Finished, Refused};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The content of a job.
#[derive(Debug)]
pub(super) enum Cargo {
    One,
    Many(Chunk),
}

/// A job that is not submitted yet.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) job: NewJob,
    pub(super) cargo: Cargo,
}

/// A job that was submitted, or refused and waiting for its turn. Returns its end and what it carried.
#[derive(Debug)]
pub(super) struct UnderWay(Option<(Result<Pending, Refused>, Cargo)>);

impl UnderWay {
    pub(super) fn of(core: &Arc<Core>, end: Result<Submitted, Box<Rejected>>, cargo: Cargo) -> Self {
        let accepted = end.map(|job| Pending::new(core.clone(), job));
        Self(Some((accepted.map_err(|rejected| core.refused(rejected.reason)), cargo)))
    }

    /// Creates the entry of an input that cannot be sent.
    pub(super) fn refused(refused: Refused) -> Self {
        Self(Some((Err(refused), Cargo::One)))
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self.0, Some((Err(_), _)))
    }
}

impl Future for UnderWay {
    type Output = (Result<Finished, Refused>, Cargo);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let end = match &mut self.0 {
            Some((Ok(job), _)) => Some(ready!(Pin::new(job).poll(context))),
            _ => None,
        };
        match (end, self.0.take()) {
            (Some(finished), Some((_, cargo))) => Poll::Ready((Ok(finished), cargo)),
            (None, Some((Err(refused), cargo))) => Poll::Ready((Err(refused), cargo)),
            _ => panic!("a job of a map is polled after its end"),
        }
    }
}
