//! The jobs of a map that are under way, in the order of their inputs or in that of their ends.

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Jobs under way.
#[derive(Debug)]
pub(super) enum Lanes<F> {
    /// The first is the next to be returned, and the only one that is polled.
    Ordered(VecDeque<F>),
    Unordered(FuturesUnordered<F>),
}

impl<F: Future + Unpin> Lanes<F> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ordered(jobs) => jobs.len(),
            Self::Unordered(jobs) => jobs.len(),
        }
    }

    pub(super) fn push(&mut self, job: F) {
        match self {
            Self::Ordered(jobs) => jobs.push_back(job),
            Self::Unordered(jobs) => jobs.push(job),
        }
    }

    /// Returns jobs in the order of their ends from now on.
    pub(super) fn unorder(&mut self) {
        if let Self::Ordered(jobs) = self {
            *self = Self::Unordered(std::mem::take(jobs).into_iter().collect());
        }
    }

    /// Returns the next job that has ended, or `None` if there is no job.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        match self {
            Self::Ordered(jobs) => {
                let Some(first) = jobs.front_mut() else { return Poll::Ready(None) };
                let end = ready!(Pin::new(first).poll(context));
                jobs.pop_front();
                Poll::Ready(Some(end))
            }
            Self::Unordered(jobs) => jobs.poll_next_unpin(context),
        }
    }
}
