//! Jobs that cannot end before their deadlines: refused at the door, or given back at their turn if others wait. Both
//! decisions are optimistic. They take jobs to run as long as the latest ones did, and rather shorter.
//!
//! With equal run times the prediction is exact: the `k`-th waiting job of `n` workers begins when the worker is free
//! that is the `k mod n`-th to be so, one run later for each round of all workers before.

use std::time::Duration;

use super::Scheduler;
use crate::queue::Share;
use crate::run_times::Estimate;
use crate::{JobId, Refusal, Terms, Time, Verdict};

/// Maximum number of workers whose jobs are looked at one by one. In a larger pool all count as about to end their
/// jobs, which is wrong by at most one run.
const WORKERS_LOOKED_AT: usize = 64;

/// Maximum time after which a submitter is asked to come back.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

impl Scheduler {
    /// Returns the refusal of a job that would not end in time.
    pub(super) fn refusal_of_late(&mut self, terms: &Terms) -> Option<Refusal> {
        let timeout = terms.timeout.filter(|_| self.config.admission && !self.is_paused())?;
        if self.fleet.idle() > 0 {
            return None;
        }
        let estimate = self.run_times.estimate(self.now)?;
        let share = Share { priority: terms.priority, tenant: terms.tenant };
        let predicted = self.predicted_end(self.queue.before(share), estimate, timeout)?;
        Some(Refusal::Unreachable { predicted, retry: self.retry_after(predicted - timeout) })
    }

    /// Returns the minimum time until the end of a job that `ahead` others precede, if that is above `timeout`.
    fn predicted_end(&self, ahead: usize, estimate: Estimate, timeout: Duration) -> Option<Duration> {
        // More workers may be there soon.
        let workers = self.config.max_workers.max(self.fleet.serving());
        let rounds = u32::try_from(ahead / workers).unwrap_or(u32::MAX);
        if estimate.ceiling().saturating_mul(rounds.saturating_add(2)) <= timeout {
            return None;
        }
        let run = estimate.each_of(ahead);
        let earliest = run.saturating_mul(rounds).saturating_add(estimate.one());
        if earliest > timeout {
            return Some(earliest);
        }
        if earliest.saturating_add(estimate.one()) <= timeout || workers > WORKERS_LOOKED_AT {
            return None;
        }
        let predicted = earliest.saturating_add(self.until_free(ahead % workers, workers, estimate.one()));
        (predicted > timeout).then_some(predicted)
    }

    /// Returns the minimum time until `nth + 1` of the workers have been free, if each job takes as long as `run`. A
    /// worker that is not there, or is to give up its job, counts as free.
    fn until_free(&self, nth: usize, workers: usize, run: Duration) -> Duration {
        let left = |began_at: Time| (began_at + run).since(self.now);
        let mut left: Vec<Duration> = self.fleet.busy_since().map(left).collect();
        left.sort_unstable();
        let free = workers.saturating_sub(left.len());
        nth.checked_sub(free).and_then(|nth| left.get(nth)).copied().unwrap_or_default()
    }

    /// Returns the verdict on a job whose turn has come and others wait, if it would not end in time. A job that may
    /// have run is not given back.
    #[cold]
    pub(super) fn is_too_late(&mut self, id: JobId) -> Option<Verdict> {
        let job = self.jobs.get(&id).filter(|job| job.attempt == 1)?;
        let left = job.deadline?.since(self.now);
        let needed = self.run_times.estimate(self.now)?.usual();
        let retry = self.retry_after(needed.checked_sub(left).filter(|late| !late.is_zero())?);
        Some(Verdict::Unreachable { predicted: needed, retry })
    }

    /// Returns the time after which a job that would be `late` by this time may be in time: up to twice that, so that
    /// not all come back at once.
    fn retry_after(&mut self, late: Duration) -> Duration {
        let jitter = (self.random.next() % 1_000) as f64 / 1_000.0;
        late.min(LONGEST_RETRY).mul_f64(1.0 + jitter).clamp(Duration::from_nanos(1), LONGEST_RETRY)
    }
}
