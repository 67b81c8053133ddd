//! One poll of a map: submits jobs, and returns the next outcome.

use super::Map;
use super::arriving::{Arriving, End};
use super::budget::Budget;
use super::under_way::Cargo;
use crate::pool::caller::handle;
use procpool_protocol::outcome::{Finished, Refused};
use procpool_protocol::{Job, JobError};
use std::task::{Context, Poll, ready};
use tokio::task::coop;

impl<J: Job, I: Iterator<Item = J::Input>> Map<J, I> {
    pub(super) fn poll_outcome(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<J::Output, JobError>>> {
        // Outcomes of a chunk, and refusals, are there without a wait: other tasks get their turn in between.
        let turn = ready!(coop::poll_proceed(context));
        self.budget = Budget::WHOLE;
        let outcome = self.poll_on(context);
        let has_more = self.budget.is_spent() && !matches!(outcome, Poll::Ready(Some(_)));
        if has_more {
            context.waker().wake_by_ref();
        }
        if has_more || outcome.is_ready() {
            turn.made_progress();
        }
        if has_more { Poll::Pending } else { outcome }
    }

    fn poll_on(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<J::Output, JobError>>> {
        loop {
            self.fill(context);
            if let Some(arriving) = &mut self.arriving {
                if let Some(outcome) = arriving.next::<J>() {
                    return Poll::Ready(Some(outcome));
                }
                let left = self.arriving.take().and_then(Arriving::left);
                let left = left.map(|left| self.together(left));
                self.pieces.extend(left);
                continue;
            }
            let (end, cargo) = match ready!(self.poll_end(context)) {
                Some(end) => end,
                None if self.offer.is_some() => return Poll::Pending,
                None => return Poll::Ready(None),
            };
            if let Ok(Finished { result: Ok(output), .. }) = &end {
                self.window.take(output.bytes.len());
            }
            match cargo {
                Cargo::One => {
                    let end = end.map_err(JobError::from);
                    return Poll::Ready(Some(end.and_then(handle::decode::<J>)));
                }
                Cargo::Many(chunk) => match End::of(end, chunk, self.may_repeat()) {
                    End::Arrives(arriving) => self.arriving = Some(arriving),
                    End::Apart { chunk, may_have_run } => {
                        let spent = u32::from(may_have_run);
                        let apart: Vec<_> = chunk.apart().map(|input| self.alone(input, spent)).collect();
                        self.pieces.extend(apart);
                    }
                },
            }
        }
    }

    /// Returns the next job that has ended.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Option<(Result<Finished, Refused>, Cargo)>> {
        let awaits_pieces =
            !self.pieces.is_empty() || self.offer.as_ref().is_some_and(|offer| offer.is_piece);
        let end = ready!(self.under_way.poll_next(context, awaits_pieces));
        self.refused -= usize::from(matches!(end, Some((Err(_), _))));
        Poll::Ready(end)
    }
}
