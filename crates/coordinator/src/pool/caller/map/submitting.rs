//! Submits the jobs of a map: as many as may be under way, as far as the queue has room.

use super::Map;
use super::under_way::{Cargo, Prepared, UnderWay};
use crate::pool::caller::offering::Submitted;
use crate::pool::state::open_job::Rejected;
use procpool_protocol::Job;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Maximum number of refused inputs that wait for their turn: above 1, so that some bad inputs among good ones
/// leave no worker idle.
const REFUSED: usize = 16;

/// A job that waits for a queue slot.
pub(super) struct Offer {
    submitted: Pin<Box<dyn Future<Output = Result<Submitted, Box<Rejected>>> + Send>>,
    cargo: Cargo,
    pub(super) is_piece: bool,
}

impl<J: Job, I: Iterator<Item = J::Input>> Map<J, I> {
    /// Submits jobs until the maximum number is under way, or the queue is full.
    pub(super) fn fill(&mut self, context: &mut Context<'_>) {
        loop {
            if let Some(offer) = &mut self.offer {
                let Poll::Ready(end) = offer.submitted.as_mut().poll(context) else { return };
                if let Some(Offer { cargo, is_piece, .. }) = self.offer.take() {
                    self.push(UnderWay::of(self.pool.raw().core(), end, cargo), is_piece);
                }
                continue;
            }
            let is_piece = !self.pieces.is_empty();
            let next = if is_piece {
                // The refused ones are not counted: there are as many at most as a chunk has inputs.
                let has_room = self.under_way.before_pieces() < self.window.pieces();
                has_room.then(|| self.pieces.pop_front().map(Ok)).flatten()
            } else if self.under_way.len() < self.window.jobs() && self.refused < REFUSED {
                match self.prepared.pop_front() {
                    None if self.prepare(context) => continue,
                    next => next,
                }
            } else {
                None
            };
            match next {
                Some(Ok(prepared)) => match self.submit(prepared, is_piece) {
                    Some(job) => self.push(job, is_piece),
                    None if self.offer.is_some() => {}
                    None => return,
                },
                Some(Err(refused)) => self.push(UnderWay::refused(refused), is_piece),
                None => return,
            }
        }
    }

    fn push(&mut self, job: UnderWay, is_piece: bool) {
        self.refused += usize::from(job.is_refused());
        if is_piece { self.under_way.push_piece(job) } else { self.under_way.push(job) }
    }

    /// Submits a job, or sets it aside until the queue has room: until a job before it ends, or if there is
    /// none, until any job does. A caller that waits for a slot and is not polled would keep it from others.
    fn submit(&mut self, Prepared { job, cargo }: Prepared, is_piece: bool) -> Option<UnderWay> {
        let core = self.pool.raw().core();
        let before = if is_piece { self.under_way.before_pieces() } else { self.under_way.len() };
        match core.offer(job) {
            Err(rejected) if rejected.reason.is_full_queue() && before > 0 => {
                let prepared = Prepared { job: rejected.job, cargo };
                if is_piece {
                    self.pieces.push_front(prepared);
                } else {
                    self.prepared.push_front(Ok(prepared));
                }
                None
            }
            Err(rejected) if rejected.reason.is_full_queue() => {
                let core = core.clone();
                let submitted = Box::pin(async move { core.submit_patiently(rejected.job).await });
                self.offer = Some(Offer { submitted, cargo, is_piece });
                None
            }
            end => {
                let end = end.inspect_err(|rejected| core.count_refusal(&rejected.reason));
                Some(UnderWay::of(core, end, cargo))
            }
        }
    }
}
