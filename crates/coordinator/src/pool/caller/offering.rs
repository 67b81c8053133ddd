//! Offering a job to a pool: accepted or refused at once, or with patience for a queue slot.

use crate::pool::core::Core;
use crate::pool::state::open_job::{NewJob, Rejected};
use procpool_process::clock;
use procpool_protocol::outcome::{Finished, Refusal};
use procpool_protocol::{JobId, Payload};
use procpool_scheduler::JobId as Key;
use std::time::{Duration, Instant};
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

    /// Returns the maximum number of workers, which a resize changes.
    pub(super) fn max_workers(&self) -> usize {
        if self.is_here() { self.with(|state, _| state.scheduler.size().1) } else { self.limits.max_workers }
    }

    /// Returns whether the workers of the pool take batches, and may run several inputs each. `None`: no worker
    /// has ever been ready.
    pub(super) fn takes_batches(&self) -> Option<bool> {
        if self.limits.supervision.process_per_job || !self.is_here() {
            return Some(false);
        }
        self.with(|state, _| state.takes_batches())
    }

    /// Returns whether this input has to be a job of its own, since it is known to have killed, or too long to look
    /// that up here.
    pub(super) fn sets_apart(&self, input: &Payload) -> bool {
        self.fingerprints.are_wanted()
            && self.is_here()
            && self
                .fingerprints
                .of_suspect(input)
                .is_none_or(|print| self.with(|state, now| state.scheduler.has_killed(print, now)))
    }

    /// Offers a job and does not count it if it is refused.
    pub(in crate::pool) fn offer(&self, job: NewJob) -> Result<Submitted, Box<Rejected>> {
        self.offer_after(Duration::ZERO, job)
    }

    /// Offers a job whose caller has waited for a part of its timeout.
    fn offer_after(&self, waited: Duration, job: NewJob) -> Result<Submitted, Box<Rejected>> {
        if !self.is_here() {
            return Err(Box::new(Rejected { job, reason: Refusal::Forked }));
        }
        let limit = self.limits.max_payload as usize;
        if job.input.bytes.len() > limit {
            let reason = Refusal::input_too_large(job.input.bytes.len(), limit);
            return Err(Box::new(Rejected { job, reason }));
        }
        let (sender, outcome) = oneshot::channel();
        let fingerprint = self.fingerprints.of_suspect(&job.input);
        let offered =
            self.act(|state, now, effects| state.submit(now, job, fingerprint, sender, waited, effects));
        let (key, id) = offered.map_err(|mut rejected| {
            if rejected.reason == Refusal::ShuttingDown {
                rejected.reason = self.what_ended();
            }
            rejected
        })?;
        Ok(Submitted { key, id, outcome })
    }

    /// Offers a job and waits for a queue slot, and for room for its bytes, inside its deadline. Of those that wait, the one
    /// that came first is woken among those that fit, but a newcomer may be quicker.
    pub(crate) async fn submit_patiently(&self, job: NewJob) -> Result<Submitted, Box<Rejected>> {
        let rejected = match self.offer(job) {
            Err(rejected) => rejected,
            accepted => return accepted,
        };
        let again = match rejected.reason {
            // Boxed, so that nobody else's future has room for it.
            ref reason if reason.is_full_queue() => {
                let timeout = rejected.job.limits.timeout;
                Box::pin(self.offer_again(rejected.job, timeout, true)).await
            }
            _ => Err(rejected),
        };
        again.inspect_err(|rejected| self.count_refusal(&rejected.reason))
    }

    /// Offers a job to a full queue, and waits for a queue slot for as long as it takes. Its limits count from its acceptance.
    pub(in crate::pool) async fn submit_once_there_is_room(
        &self,
        job: NewJob,
    ) -> Result<Submitted, Box<Rejected>> {
        let offered = self.offer_again(job, None, false).await;
        offered.inspect_err(|rejected| self.count_refusal(&rejected.reason))
    }

    async fn offer_again(
        &self,
        mut job: NewJob,
        timeout: Option<Duration>,
        counts: bool,
    ) -> Result<Submitted, Box<Rejected>> {
        let since = Instant::now();
        let waiting = self.patient.join(job.input.bytes.len());
        loop {
            // Before the offer, so that room that comes free in between is not missed.
            let was_woken = waiting.listen();
            let waited = if counts { since.elapsed() } else { Duration::ZERO };
            match self.offer_after(waited, job) {
                Err(rejected) if rejected.reason.is_full_queue() => job = rejected.job,
                other => return other,
            }
            if self.patient.is_closed() {
                return Err(Box::new(Rejected { job, reason: self.what_ended() }));
            }
            // Its payload may have killed, and no place be left for such jobs. That keeps nobody behind it from the queue.
            if was_woken && let Some(room) = self.with(|state, _| state.scheduler.room()) {
                waiting.pass_on(room);
            }
            let Some(limit) = timeout else {
                waiting.woken().await;
                continue;
            };
            let left = limit.saturating_sub(since.elapsed());
            let sleep = {
                let _runtime = self.runtime().enter();
                clock::sleep(left)
            };
            if left.is_zero() || !waiting.is_woken_before(sleep).await {
                return Err(Box::new(Rejected { job, reason: Refusal::no_slot_in_time(limit) }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PoolLimits;
    use crate::pool::simulation::recipe::recipe;
    use procpool_protocol::Encoding;
    use procpool_protocol::JobError;
    use procpool_protocol::engine::JobLimits;
    use procpool_scheduler::{Config, Event, Scheduler, Time};
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use tokio::sync::mpsc;

    /// Returns a job with an input of this length.
    fn job(bytes: usize) -> NewJob {
        // No job of these tests waits this long unless it is forgotten.
        let limits = JobLimits::new().timeout(Duration::from_secs(10));
        NewJob { limits, ..NewJob::of(Payload::new(Encoding::Bytes, vec![0; bytes])) }
    }

    async fn submits(core: &Arc<Core>, bytes: usize) -> tokio::task::JoinHandle<Result<(), Refusal>> {
        let (theirs, before) = (core.clone(), core.patient.count());
        let submit = async move { theirs.submit_patiently(job(bytes)).await };
        let task = tokio::spawn(async move { submit.await.map(drop).map_err(|rejected| rejected.reason) });
        while core.patient.count() == before {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn a_deadline_counts_from_the_first_offer_and_its_error_names_the_limit_that_was_asked_for() {
        let (limits, config) = (PoolLimits::default(), Config { queue_bytes: 100, ..Config::default() });
        let (spawns, _starts) = mpsc::unbounded_channel();
        let core = Core::new(recipe(), limits, Scheduler::new(config, 1).unwrap(), spawns, None, None);
        let leaves = core.submit(job(90)).unwrap();
        let theirs = core.clone();
        let patient = tokio::spawn(async move { theirs.submit_patiently(job(50)).await });
        while core.patient.count() == 0 {
            tokio::task::yield_now().await;
        }
        core.cancel_key(leaves.key);
        let accepted = patient.await.unwrap().unwrap();
        let limit = job(50).limits.timeout.unwrap();
        core.act(|state, now, effects| {
            let deadline = Time::from_nanos(now.as_nanos() + u64::try_from(limit.as_nanos()).unwrap());
            state.handle(deadline, Event::Tick, effects);
        });
        let error = accepted.outcome.await.unwrap().result.unwrap_err();
        assert!(matches!(*error, JobError::TimedOut { limit: told, .. } if told == limit), "{error}");
    }

    /// Polls it once, as a `select!` does, or a runtime.
    fn poll_once<F: Future + Unpin>(submits: &mut F) -> Poll<F::Output> {
        Pin::new(submits).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn a_caller_that_is_woken_and_not_polled_keeps_nobody_from_a_free_slot() {
        let (limits, config) = (PoolLimits::default(), Config { queue_bytes: 100, ..Config::default() });
        let (spawns, _starts) = mpsc::unbounded_channel();
        let core = Core::new(recipe(), limits, Scheduler::new(config, 1).unwrap(), spawns, None, None);
        let leaves = core.submit(job(90)).unwrap();
        let [mut unread, mut other] = [50, 20].map(|bytes| Box::pin(core.submit_patiently(job(bytes))));
        assert!(poll_once(&mut unread).is_pending() && poll_once(&mut other).is_pending());
        core.cancel_key(leaves.key);
        core.look_for_stopped();
        assert!(matches!(poll_once(&mut other), Poll::Ready(Ok(_))));
        assert!(matches!(poll_once(&mut unread), Poll::Ready(Ok(_))), "it is in the line as before");
    }

    #[tokio::test]
    async fn callers_that_are_woken_and_not_polled_lose_their_turn_after_a_moment() {
        let (limits, config) = (PoolLimits::default(), Config { queue_bytes: 100, ..Config::default() });
        let (spawns, _starts) = mpsc::unbounded_channel();
        let core = Core::new(recipe(), limits, Scheduler::new(config, 1).unwrap(), spawns, None, None);
        let leaves = core.submit(job(90)).unwrap();
        let mut unread = [50, 40, 30, 20, 20].map(|bytes| Box::pin(core.submit_patiently(job(bytes))));
        let mut other = Box::pin(core.submit_patiently(job(20)));
        assert!(unread.iter_mut().chain([&mut other]).all(|submits| poll_once(submits).is_pending()));
        core.cancel_key(leaves.key);
        assert!(other.await.is_ok());
    }

    #[tokio::test]
    async fn the_time_for_which_a_patient_submitter_waits_is_no_part_of_its_jobs_timeout() {
        let (limits, config) = (PoolLimits::default(), Config { queue_bytes: 100, ..Config::default() });
        let (spawns, _starts) = mpsc::unbounded_channel();
        let core = Core::new(recipe(), limits, Scheduler::new(config, 1).unwrap(), spawns, None, None);
        let leaves = core.submit(job(90)).unwrap();
        let hasty = || NewJob { limits: JobLimits::new().timeout(Duration::from_nanos(1)), ..job(50) };
        let refused = core.submit_patiently(hasty()).await.unwrap_err();
        assert!(matches!(refused.reason, Refusal::NoSlotInTime { .. }));
        let mut waits = Box::pin(core.submit_once_there_is_room(hasty()));
        assert!(poll_once(&mut waits).is_pending());
        core.cancel_key(leaves.key);
        assert!(matches!(poll_once(&mut waits), Poll::Ready(Ok(_))));
    }

    #[test]
    fn callers_that_wait_are_refused_when_the_runtime_of_the_pool_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (limits, config) = (PoolLimits::default(), Config { queue_bytes: 100, ..Config::default() });
        let (spawns, _starts) = mpsc::unbounded_channel();
        let scheduler = Scheduler::new(config, 1).unwrap();
        let core = runtime.block_on(async { Core::new(recipe(), limits, scheduler, spawns, None, None) });
        let _takes = core.submit(job(90)).unwrap();
        let [mut first, mut last] = [50, 20].map(|bytes| Box::pin(core.submit_patiently(job(bytes))));
        assert!(poll_once(&mut first).is_pending() && poll_once(&mut last).is_pending());
        // As its tasks do when they are dropped.
        core.abandon();
        drop(runtime);
        for waits in [&mut last, &mut first] {
            let Poll::Ready(Err(rejected)) = poll_once(waits) else { panic!("it waits, or was accepted") };
            assert_eq!(rejected.reason, Refusal::RuntimeEnded);
        }
    }

    #[tokio::test]
    async fn room_that_is_too_small_for_the_first_caller_is_given_to_one_that_fits() {
        let (limits, config) = (PoolLimits::default(), Config { queue_bytes: 100, ..Config::default() });
        let (spawns, _starts) = mpsc::unbounded_channel();
        let core = Core::new(recipe(), limits, Scheduler::new(config, 1).unwrap(), spawns, None, None);
        let _waits = core.submit(job(60)).unwrap();
        let leaves = core.submit(job(30)).unwrap();
        let (large, small, other) =
            (submits(&core, 50).await, submits(&core, 20).await, submits(&core, 20).await);
        core.cancel_key(leaves.key);
        assert_eq!(small.await.unwrap(), Ok(()));
        assert_eq!(other.await.unwrap(), Ok(()), "the first of them leaves room for this one");
        assert_eq!(core.patient.count(), 1);
        large.abort();
        assert!(large.await.unwrap_err().is_cancelled());
        assert_eq!(core.patient.count(), 0);
    }
}
