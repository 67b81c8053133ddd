//! Jobs that are sent to a busy worker ahead of their turn, so that a small one does not wait for
//! two wake-ups. None are sent where jobs take long or where a worker could be started instead. Nor
//! do workers receive any that cannot tell which job they have begun.
//!
//! A job ahead may be taken back until the worker has begun it, which only the worker knows. So the
//! caller that gives one up earlier is told that it may have run. A job that waits behind one that
//! turns out long is recalled.

use std::time::Duration;

use super::jobs::Turn;
use super::{Due, Scheduler};
use crate::fleet::Bounds;
use crate::line::Ahead;
use crate::phase::Phase;
use crate::{Action, Cause, JobId, Time, WorkerId};

/// Maximum work that a worker may hold ahead, by the average time of the latest jobs. A wake-up
/// costs at most a fifth of it.
const WORK_AHEAD: Duration = Duration::from_micros(250);

/// Maximum number of bytes of a worker's jobs while it holds any ahead. A socket takes as many, so
/// all of it has arrived when its turn comes, and little is sent twice.
const BYTES_AHEAD: usize = 128 * 1024;

/// Time after which nothing waits behind a running job any more.
const PATIENCE: Duration = Duration::from_millis(2);

/// A worker is brisk while its job has run for at most this long. At the end of the patience it is
/// recalled, and no longer brisk.
const BRISK: Duration = PATIENCE.saturating_sub(Duration::from_nanos(1));

/// The average time of the latest jobs, in which the last one counts an eighth. Zero: unknown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace(u64);

impl Pace {
    pub(super) fn saw(&mut self, took: Duration) {
        // A job of an hour is as good a reason not to send ahead as one of a second, and takes no longer to be forgotten.
        let nanos = nanos(took).clamp(1, 1_000_000_000);
        self.0 = if self.0 == 0 { nanos } else { (self.0 * 7).div_ceil(8) + nanos / 8 };
    }

    /// Returns the bounds at this time for workers that are sent at most `most` jobs ahead.
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
    /// Notes that the worker begins a job now, as far as is known.
    pub(super) fn begins(&mut self, id: WorkerId, phase: Phase, bytes: usize) {
        let Some(worker) = self.fleet.enter(id, phase) else { return };
        worker.began_at = self.now;
        worker.runs_bytes = bytes;
        if worker.takes_ahead && worker.goes_on_offer(self.pace.bounds(self.config.ahead, self.now)) {
            self.on_offer.push_back(id);
        }
    }

    /// Notes that the worker may take another job ahead.
    fn offer_ahead(&mut self, id: WorkerId) {
        let bounds = self.pace.bounds(self.config.ahead, self.now);
        if self.fleet.get_mut(id).is_some_and(|worker| worker.goes_on_offer(bounds)) {
            self.on_offer.push_back(id);
        }
    }

    /// Sends waiting jobs to busy workers, one to each in turn, where no worker is or will be idle.
    pub(super) fn send_ahead(&mut self) {
        // Where there are too many, one goes as soon as it has nothing to do.
        if self.on_offer.is_empty() || self.fleet.starting() > 0 || self.regulars() != self.config.max_workers
        {
            return;
        }
        let bounds = self.pace.bounds(self.config.ahead, self.now);
        while let Some((job, bytes)) = self.queue.front_and_bytes() {
            let Some(id) = self.on_offer.pop_front() else { return };
            let Some(worker) = self.fleet.get_mut(id) else { continue };
            worker.is_on_offer = false;
            // One for which this is too much is on offer again when it begins another job.
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

    /// Sends this job, unless it no longer has to run, and offers the worker for another one.
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

    /// Recalls the jobs that wait behind jobs that take long.
    pub(super) fn patience_is_over(&mut self) {
        self.ahead_timer = None;
        let mut watched = std::mem::take(&mut self.with_ahead);
        watched.retain(|&id| self.is_patient_with(id));
        self.with_ahead = watched;
        if !self.with_ahead.is_empty() {
            self.ahead_timer = Some(self.timers.arm(self.now + PATIENCE, Due::Ahead));
        }
    }

    /// Recalls the jobs that the worker holds ahead if its job takes long. Returns `false` if it
    /// holds none, and need not be watched.
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

    /// Notes that the worker has given back all but `keeps` of its jobs, the one that it runs
    /// included.
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

    /// Asks again in a while: a job that has not reached the worker, or its turn on a processor, is
    /// not late.
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

    /// Notes that the job that followed the last one that the worker has begun was recalled, too.
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

    /// Returns jobs that a worker held ahead, and has not begun, to their places, in their order.
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

    /// Notes that the worker now runs the next of the jobs that it held ahead.
    pub(super) fn promote_ahead(&mut self, id: WorkerId, next: Ahead) {
        let Ahead { job, bytes, given_up } = next;
        if self.goes_on_with(job, id) {
            self.begins(id, Phase::Busy(job), bytes);
        } else {
            // It was resolved, and the worker told so: it passes it over, or gives it up within the grace.
            let cause = given_up.unwrap_or(Cause::Cancelled);
            self.begins(id, Phase::Stopping { job, cause }, bytes);
            self.grant_grace(id);
        }
    }
}
