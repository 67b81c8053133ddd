//! The jobs of a map that are under way, in the order of their inputs or in that of their ends.

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Jobs under way.
#[derive(Debug)]
pub(super) enum Lanes<F> {
    /// The pieces of the chunk that is next to be returned come before the others. The first job of all is the
    /// only one that is polled.
    Ordered {
        pieces: VecDeque<F>,
        jobs: VecDeque<F>,
    },
    Unordered(FuturesUnordered<F>),
}

impl<F: Future + Unpin> Lanes<F> {
    pub(super) fn ordered() -> Self {
        Self::Ordered { pieces: VecDeque::new(), jobs: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ordered { pieces, jobs } => pieces.len() + jobs.len(),
            Self::Unordered(jobs) => jobs.len(),
        }
    }

    /// Returns the number of jobs for whose ends a piece that is still to be submitted may wait.
    pub(super) fn before_pieces(&self) -> usize {
        match self {
            Self::Ordered { pieces, .. } => pieces.len(),
            Self::Unordered(jobs) => jobs.len(),
        }
    }

    pub(super) fn push(&mut self, job: F) {
        match self {
            Self::Ordered { jobs, .. } => jobs.push_back(job),
            Self::Unordered(jobs) => jobs.push(job),
        }
    }

    /// Adds a job of a chunk's inputs that are sent again.
    pub(super) fn push_piece(&mut self, job: F) {
        match self {
            Self::Ordered { pieces, .. } => pieces.push_back(job),
            Self::Unordered(jobs) => jobs.push(job),
        }
    }

    /// Returns jobs in the order of their ends from now on.
    pub(super) fn unorder(&mut self) {
        if let Self::Ordered { pieces, jobs } = self {
            *self = Self::Unordered(pieces.drain(..).chain(jobs.drain(..)).collect());
        }
    }

    /// Returns the next job that has ended, or `None` if there is no job. `awaits_pieces`: some pieces are still
    /// to be submitted.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        awaits_pieces: bool,
    ) -> Poll<Option<F::Output>> {
        match self {
            Self::Ordered { pieces, jobs } => {
                let lane = if awaits_pieces || !pieces.is_empty() { pieces } else { jobs };
                let Some(first) = lane.front_mut() else { return Poll::Ready(None) };
                let end = ready!(Pin::new(first).poll(context));
                lane.pop_front();
                Poll::Ready(Some(end))
            }
            Self::Unordered(jobs) => jobs.poll_next_unpin(context),
        }
    }
}
