//! Offering a job to a pool: accepted or refused at once, or with patience for a queue slot.

use super::waiting::Waiting;
use crate::pool::core::Core;
use crate::pool::state::open_job::{NewJob, Rejected};
use procpool_process::clock;
use procpool_protocol::JobId;
use procpool_protocol::engine::JobLimits;
use procpool_protocol::outcome::{Finished, Refusal};
use procpool_scheduler::JobId as Key;
use std::time::Instant;
use tokio::sync::oneshot;

/// A job that was accepted.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) key: Key,
    pub(crate) id: JobId,
    pub(crate) outcome: oneshot::Receiver<Finished>,
}

impl Core {
    /// Offers a job; it is accepted or not at once.
    pub(crate) fn submit(&self, job: NewJob) -> Result<Submitted, Box<Rejected>> {
        self.offer(job).inspect_err(|rejected| self.count_refusal(&rejected.reason))
    }

    /// Counts a job that is not accepted.
    pub(crate) fn count_refusal(&self, reason: &Refusal) {
        // In a fork the lock may be held by a thread that does not exist.
        if !self.is_here() {
            return;
        }
        self.with(|state, _| state.stats.refused(reason));
    }

    fn offer(&self, job: NewJob) -> Result<Submitted, Box<Rejected>> {
        if !self.is_here() {
            return Err(Box::new(Rejected { job, reason: Refusal::Forked }));
        }
        let limit = self.limits.max_payload as usize;
        if job.input.bytes.len() > limit {
            let reason = Refusal::InputTooLarge { size: job.input.bytes.len(), limit };
            return Err(Box::new(Rejected { job, reason }));
        }
        let (sender, outcome) = oneshot::channel();
        let fingerprint = self.fingerprints.of_suspect(&job.input);
        let offered = self.act(|state, now, effects| state.submit(now, job, fingerprint, sender, effects));
        let (key, id) = offered.map_err(|mut rejected| {
            if rejected.reason == Refusal::ShuttingDown {
                rejected.reason = self.what_ended();
            }
            rejected
        })?;
        Ok(Submitted { key, id, outcome })
    }

    /// Offers a job and waits for a queue slot, and for room for its bytes, inside its deadline. Those that wait are
    /// woken in the order of their arrival, but a newcomer may be quicker.
    pub(crate) async fn submit_patiently(&self, job: NewJob) -> Result<Submitted, Box<Rejected>> {
        let rejected = match self.offer(job) {
            Err(rejected) => rejected,
            accepted => return accepted,
        };
        let again = match rejected.reason {
            // Boxed, so that nobody else's future has room for it.
            ref reason if reason.is_full_queue() => Box::pin(self.offer_again(rejected.job)).await,
            _ => Err(rejected),
        };
        again.inspect_err(|rejected| self.count_refusal(&rejected.reason))
    }

    async fn offer_again(&self, mut job: NewJob) -> Result<Submitted, Box<Rejected>> {
        let timeout = job.limits.timeout;
        let since = Instant::now();
        let _waiting = Waiting::new(&self.waiting_for_slot);
        loop {
            let slot = self.slot.notified();
            tokio::pin!(slot);
            // Enabled before the offer, so that a slot that comes free in between is not missed.
            slot.as_mut().enable();
            match self.offer(job) {
                Err(rejected) if rejected.reason.is_full_queue() => job = rejected.job,
                other => return other,
            }
            let Some(limit) = timeout else {
                slot.await;
                continue;
            };
            let left = limit.saturating_sub(since.elapsed());
            let in_time = {
                let _runtime = self.runtime().enter();
                clock::timeout(left, slot)
            };
            if left.is_zero() || in_time.await.is_err() {
                return Err(Box::new(Rejected { job, reason: Refusal::NoSlotInTime { limit } }));
            }
            job.limits = JobLimits { timeout: Some(limit.saturating_sub(since.elapsed())), ..job.limits };
        }
    }
}
