//! Jobs that the pool sends to a busy worker ahead of their turn, so that a short job does not wait
//! for two wake-ups. The pool sends none where jobs take long or where it could start a worker
//! instead. Workers that cannot report which job they have begun receive none.
//!
//! The pool may take back a job until the worker has begun it, which only the worker knows. So a
//! submitter who cancels a job ahead is told that it may have run. The pool recalls a job that
//! waits behind a long one.

use std::time::Duration;

use super::jobs::Turn;
use super::{Due, Scheduler};
use crate::fleet::Bounds;
use crate::line::Ahead;
use crate::phase::Phase;
use crate::{Action, Cause, JobId, Time, WorkerId};

/// Maximum work that a worker may hold ahead, estimated from the average time of the latest jobs. A
/// wake-up costs at most a fifth of it.
const WORK_AHEAD: Duration = Duration::from_micros(250);

/// Maximum number of bytes of a worker's jobs while it holds any ahead. A socket buffers this
/// amount, so each job has arrived when its turn comes, and a recall causes little to be sent
/// twice.
const BYTES_AHEAD: usize = 128 * 1024;

/// Time after which the pool recalls jobs that wait behind a running one.
const PATIENCE: Duration = Duration::from_millis(2);

/// Maximum run time of a job in a brisk worker. At the end of the patience the pool recalls the
/// worker's jobs, and the worker is no longer brisk.
const BRISK: Duration = PATIENCE.saturating_sub(Duration::from_nanos(1));

/// The average time of the latest jobs, in nanoseconds. The last job counts for one eighth. `0`
/// means unknown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace(u64);

impl Pace {
    pub(super) fn saw(&mut self, took: Duration) {
        // Jobs above one second count as one second. Both rule out sending ahead, and the average
        // forgets both equally fast.
        let nanos = nanos(took).clamp(1, 1_000_000_000);
        self.0 = if self.0 == 0 { nanos } else { (self.0 * 7).div_ceil(8) + nanos / 8 };
    }

    /// Returns the current limits for workers that hold at most `most` jobs ahead.
    fn bounds(self, most: usize, now: Time) -> Bounds {
        let jobs = nanos(WORK_AHEAD).checked_div(self.0).unwrap_or(0);
        let depth = usize::try_from(jobs).unwrap_or(usize::MAX).min(most);
        Bounds { depth, earliest: Time::from_nanos(now.as_nanos().saturating_sub(nanos(BRISK))) }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Scheduler {
    /// Records that the worker begins a job now, as far as the pool knows.
    pub(super) fn begins(&mut self, id: WorkerId, phase: Phase, bytes: usize) {
        let Some(worker) = self.fleet.enter(id, phase) else { return };
        worker.began_at = self.now;
        worker.runs_bytes = bytes;
        if worker.takes_ahead && worker.goes_on_offer(self.pace.bounds(self.config.ahead, self.now)) {
            self.on_offer.push_back(id);
        }
    }

    /// Puts the worker on offer if it may take another job ahead.
    fn offer_ahead(&mut self, id: WorkerId) {
        let bounds = self.pace.bounds(self.config.ahead, self.now);
        if self.fleet.get_mut(id).is_some_and(|worker| worker.goes_on_offer(bounds)) {
            self.on_offer.push_back(id);
        }
    }

    /// Sends waiting jobs to busy workers, one to each in turn, if no worker is or will be idle.
    pub(super) fn send_ahead(&mut self) {
        // A pool above its maximum sends none, because a surplus worker retires as soon as it is
        // idle.
        if self.on_offer.is_empty() || self.fleet.starting() > 0 || self.regulars() != self.config.max_workers
        {
            return;
        }
        let bounds = self.pace.bounds(self.config.ahead, self.now);
        while let Some((job, bytes)) = self.queue.front_and_bytes() {
            let Some(id) = self.on_offer.pop_front() else { return };
            let Some(worker) = self.fleet.get_mut(id) else { continue };
            worker.is_on_offer = false;
            // A worker without room for this job is on offer again when it begins another job.
            if !worker.may_take_ahead(bounds) || !worker.has_room(bytes, BYTES_AHEAD) {
                continue;
            }
            if self.has_to_be_identified(job) {
                return self.offer_ahead(id);
            }
            if self.has_to_be_first(job) && self.has_room_aside(bytes) {
                self.set_aside(job);
                self.offer_ahead(id);
            } else {
                self.send_one_ahead(id, job, bounds);
            }
        }
    }

    /// Sends this job unless it no longer has to run, and puts the worker on offer again.
    fn send_one_ahead(&mut self, id: WorkerId, job: JobId, bounds: Bounds) {
        let Some(Turn { attempt, remaining, bytes }) = self.leave_queue(job, id, true) else {
            return self.offer_ahead(id);
        };
        if let Some(worker) = self.fleet.get_mut(id) {
            worker.ahead.push(job, bytes);
            if !std::mem::replace(&mut worker.is_watched, true) {
                self.with_ahead.push(id);
            }
            if worker.goes_on_offer(bounds) {
                self.on_offer.push_back(id);
            }
        }
        self.act(Action::Assign { worker: id, job, attempt, remaining });
        if self.ahead_timer.is_none() {
            self.ahead_timer = Some(self.timers.arm(self.now + PATIENCE, Due::Ahead));
        }
    }

    /// Recalls the jobs that wait behind long jobs.
    pub(super) fn patience_is_over(&mut self) {
        self.ahead_timer = None;
        let mut watched = std::mem::take(&mut self.with_ahead);
        watched.retain(|&id| self.is_patient_with(id));
        self.with_ahead = watched;
        if !self.with_ahead.is_empty() {
            self.ahead_timer = Some(self.timers.arm(self.now + PATIENCE, Due::Ahead));
        }
    }

    /// Recalls the jobs that the worker holds ahead if its current job takes long. Returns `false`
    /// if it holds none and needs no further checks.
    fn is_patient_with(&mut self, id: WorkerId) -> bool {
        let now = self.now;
        let Some(worker) = self.fleet.get_mut(id) else { return false };
        worker.is_watched = !worker.ahead.is_empty();
        if !worker.is_watched {
            return false;
        }
        let is_slow = worker.began_at + PATIENCE <= now;
        if is_slow && worker.phase().is_in_service() && !std::mem::replace(&mut worker.is_recalled, true) {
            self.act(Action::Recall { worker: id });
        }
        true
    }

    /// Handles the answer to a recall. The worker keeps `keeps` of its jobs, including the one that
    /// it runs, and gives back the others.
    pub(super) fn recalled(&mut self, id: WorkerId, keeps: usize) {
        let Some(worker) = self.fleet.get_mut(id) else {
            self.counters.stale_events += 1;
            return;
        };
        worker.is_recalled = false;
        let runs = usize::from(worker.phase().job().is_some());
        let back = worker.ahead.split_off(keeps.saturating_sub(runs));
        self.take_back(id, back);
        if keeps < runs {
            self.has_not_begun(id);
        }
        self.offer_ahead(id);
    }

    /// Repeats the recall later. A job that has not reached the worker, or a worker that has had no
    /// CPU time, is not late.
    pub(super) fn unbegun(&mut self, id: WorkerId) {
        match self.fleet.get_mut(id) {
            Some(worker) => worker.is_recalled = false,
            None => self.counters.stale_events += 1,
        }
    }

    pub(super) fn passed_over(&mut self, id: WorkerId, job: JobId) {
        let Some(worker) = self.fleet.get_mut(id) else {
            self.counters.stale_events += 1;
            return;
        };
        if worker.phase().job() == Some(job) {
            self.has_not_begun(id);
        } else if worker.ahead.remove(job) {
            self.take_back(id, [job]);
        }
    }

    /// Handles that the worker has not begun the job which the pool believed it to run.
    fn has_not_begun(&mut self, id: WorkerId) {
        let Some(phase) = self.fleet.phase(id) else { return };
        if let Some(job) = phase.job().filter(|&job| self.is_running_on(job, id)) {
            self.counters.taken_back += 1;
            self.requeue(job);
        }
        let next = self.fleet.get_mut(id).and_then(|worker| worker.ahead.pop());
        match phase {
            Phase::Busy(_) | Phase::Stopping { .. } => {
                self.set_worker_timer(id, None);
                match (self.fleet.get_mut(id), next) {
                    (Some(worker), _) if worker.has_hung_up => self.is_leaving(id, next, None),
                    (_, Some(next)) => self.promote_ahead(id, next),
                    (_, None) => self.rest(id),
                }
            }
            Phase::Killed { cause, .. } => self.is_leaving(id, next, cause),
            Phase::Starting | Phase::Idle | Phase::Retiring { .. } => {}
        }
    }

    /// Returns jobs that a worker held ahead and has not begun to the queue, in their order.
    pub(super) fn take_back(
        &mut self,
        id: WorkerId,
        jobs: impl IntoIterator<Item = JobId, IntoIter: DoubleEndedIterator>,
    ) {
        for job in jobs.into_iter().rev() {
            if self.is_ahead_of(job, id) {
                self.counters.taken_back += 1;
                self.requeue(job);
            }
        }
    }

    /// Records that the worker now runs the next of its jobs ahead.
    pub(super) fn promote_ahead(&mut self, id: WorkerId, next: Ahead) {
        let Ahead { job, bytes, given_up } = next;
        if self.goes_on_with(job, id) {
            self.begins(id, Phase::Busy(job), bytes);
        } else {
            // The job was resolved and cancelled. The worker passes it over, or gives it up within
            // the grace.
            let cause = given_up.unwrap_or(Cause::Cancelled);
            self.begins(id, Phase::Stopping { job, cause }, bytes);
            self.grant_grace(id);
        }
    }
}
