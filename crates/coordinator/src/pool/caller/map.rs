//! [`Map`]: many inputs, their outcomes in order, a bounded number under way.

use crate::pool::Pool;
use procpool_protocol::{Job, JobError};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Fewest jobs under way, so that few workers with short jobs do not wait for the reader.
const MIN_WINDOW: usize = 16;

/// A stream of outcomes; see [`Pool::map`].
///
/// It implements `futures_core::Stream`; [`next`](Self::next) serves where no stream library is at
/// hand.
#[must_use = "streams do nothing unless polled"]
pub struct Map<J: Job, I> {
    pool: Pool<J>,
    inputs: std::iter::Fuse<I>,
    under_way: VecDeque<WorkerSlot<J>>,
    window: usize,
}

/// A job under way, or its outcome waiting for its turn.
enum WorkerSlot<J: Job> {
    Running(Pin<Box<dyn Future<Output = Result<J::Output, JobError>> + Send>>),
    Done(Result<J::Output, JobError>),
}

// Nothing in it is pinned in place: futures are boxed.
impl<J: Job, I> Unpin for Map<J, I> {}

impl<J: Job, I> std::fmt::Debug for Map<J, I> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Map").field("under_way", &self.under_way.len()).finish_non_exhaustive()
    }
}

impl<J: Job, I: Iterator<Item = J::Input>> Map<J, I> {
    pub(crate) fn new(pool: Pool<J>, inputs: I) -> Self {
        let limits = pool.raw().limits();
        let window = (2 * limits.max_workers).max(MIN_WINDOW);
        Self { pool, inputs: inputs.fuse(), under_way: VecDeque::new(), window }
    }

    /// The next outcome, in the order of the inputs; none after the last. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Result<J::Output, JobError>> {
        std::future::poll_fn(|context| self.poll_outcome(context)).await
    }

    fn poll_outcome(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<J::Output, JobError>>> {
        while self.under_way.len() < self.window {
            let Some(input) = self.inputs.next() else { break };
            let pool = self.pool.clone();
            self.under_way.push_back(WorkerSlot::Running(Box::pin(async move { pool.run(input).await })));
        }
        // Each is polled, or those behind the first would not even be submitted.
        for slot in &mut self.under_way {
            if let WorkerSlot::Running(job) = slot
                && let Poll::Ready(outcome) = job.as_mut().poll(context)
            {
                *slot = WorkerSlot::Done(outcome);
            }
        }
        match self.under_way.pop_front() {
            None => Poll::Ready(None),
            Some(WorkerSlot::Done(outcome)) => Poll::Ready(Some(outcome)),
            Some(running) => {
                self.under_way.push_front(running);
                Poll::Pending
            }
        }
    }
}

impl<J: Job, I: Iterator<Item = J::Input>> futures_core::Stream for Map<J, I> {
    type Item = Result<J::Output, JobError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_outcome(context)
    }
}
