//! Makes jobs of the inputs of a map: of one input each, or of a chunk.

use super::Map;
use super::chunk::{Chunk, Filling};
use super::under_way::{Cargo, Prepared};
use crate::pool::state::open_job::NewJob;
use futures_core::Stream as _;
use procpool_protocol::engine::JobLimits;
use procpool_protocol::{Job, Payload};
use std::pin::Pin;
use std::task::{Context, Poll};

impl<J: Job, I: Iterator<Item = J::Input>> Map<J, I> {
    /// Prepares jobs of the next inputs. Returns `false` if there are none, if they wait for the first worker, or
    /// if this poll has prepared enough.
    pub(super) fn prepare(&mut self, context: &mut Context<'_>) -> bool {
        self.window.workers = self.pool.raw().core().max_workers();
        let Some(most) = self.most_inputs(context) else { return false };
        let mut last = None;
        while last.is_none() && self.filling.count() < most {
            if self.budget.is_spent() {
                return false;
            }
            let Some(input) = self.inputs.next() else { break };
            let encoded = self.pool.raw().encoded::<J>(&input);
            self.budget.spend(encoded.as_ref().map_or(0, |(input, _)| input.bytes.len()));
            match encoded {
                Ok((input, _)) if most == 1 => last = Some(Ok(input)),
                Ok((input, _)) if self.pool.raw().core().sets_apart(&input) => last = Some(Ok(input)),
                Ok((input, _)) => last = self.filling.add(input).err().map(Ok),
                Err(refused) => last = Some(Err(refused)),
            }
        }
        let empty = Filling::new(self.pool.raw().limits().max_payload);
        let chunk = std::mem::replace(&mut self.filling, empty).chunk().map(|chunk| Ok(self.together(chunk)));
        self.prepared.extend(chunk);
        self.prepared.extend(last.map(|last| last.map(|input| self.alone(input, 0))));
        let sizes = self.prepared.iter().flatten().map(|it| it.job.input.bytes.len());
        self.window.give(sizes.max().unwrap_or_default());
        !self.prepared.is_empty()
    }

    /// Returns the maximum number of inputs of the next job. `None`: only the first worker can tell, and wakes the
    /// map. Until then one input is under way, since a pool may start its first worker only for a job.
    fn most_inputs(&mut self, context: &mut Context<'_>) -> Option<usize> {
        if self.window.chunk == 1 {
            return Some(1);
        }
        let core = self.pool.raw().core();
        let mut takes_batches = core.takes_batches();
        if takes_batches.is_none() {
            let events = self.first_worker.get_or_insert_with(|| core.news.listen());
            while let Poll::Ready(Some(_)) = Pin::new(&mut *events).poll_next(context) {}
            // After the listener is in, so that a worker in between is not missed.
            takes_batches = core.takes_batches();
        }
        let Some(takes_batches) = takes_batches else {
            return (self.under_way.len() == 0).then_some(1);
        };
        self.first_worker = None;
        Some(if takes_batches { self.window.chunk } else { 1 })
    }

    pub(super) fn together(&self, chunk: Chunk) -> Prepared {
        if chunk.count == 1
            && let Some(input) = chunk.clone().apart().next()
        {
            return self.alone(input, 0);
        }
        let (job, batch) = (self.job(chunk.payload()), Some(chunk.encoding));
        // The further attempts are those of each input alone.
        Prepared { job: NewJob { batch, attempts: 1, ..job }, cargo: Cargo::Many(chunk) }
    }

    /// Prepares a job of one input that has had `spent` attempts in a chunk.
    pub(super) fn alone(&self, input: Payload, spent: u32) -> Prepared {
        let job = self.job(input);
        Prepared {
            job: NewJob { attempts: job.attempts.saturating_sub(spent).max(1), ..job },
            cargo: Cargo::One,
        }
    }

    fn job(&self, input: Payload) -> NewJob {
        let pool = self.pool.raw();
        let reply = pool.encodings().encoding(J::ENCODING);
        let job = pool.new_job(input, reply, JobLimits::default(), None, None);
        NewJob { limits: pool.core().times.get().of_batched_job(self.limits), ..job }
    }

    pub(super) fn may_repeat(&self) -> bool {
        self.job(Payload::none()).attempts > 1
    }
}
