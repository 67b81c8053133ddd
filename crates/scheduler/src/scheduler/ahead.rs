//! Jobs that are sent to a busy worker ahead of their turn, so that a small one does not wait for two wake-ups. Refuses to
//! send any where jobs take long, where a worker could be started instead, and to workers that cannot tell which job they
//! have begun.
//!
//! A job ahead may be taken back until the worker has begun it, which only the worker knows. So whoever gives one up before
//! is told that it may have run, and one that waits behind a job which turns out long is recalled.

use std::collections::VecDeque;
use std::time::Duration;

use super::jobs::Place;
use super::{Due, Scheduler};
use crate::phase::Phase;
use crate::{Action, Death, JobId, Time, WorkerId};

/// As much work a worker may have ahead, by what jobs have taken lately. A wake-up costs a fifth of it at the worst.
const WORK_AHEAD: Duration = Duration::from_micros(250);

/// A job that takes so long has nobody waiting behind it any more.
const PATIENCE: Duration = Duration::from_millis(2);

/// What jobs have taken lately: the average, in which the latest counts an eighth. Zero: nobody knows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace(u64);

impl Pace {
    pub(super) fn saw(&mut self, took: Duration) {
        // A job of an hour is as good a reason not to send ahead as one of a second, and takes no longer to be forgotten.
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).clamp(1, 1_000_000_000);
        self.0 = if self.0 == 0 { nanos } else { (self.0 * 7).div_ceil(8) + nanos / 8 };
    }

    /// How many jobs make so much work.
    fn jobs_in(self, work: Duration) -> usize {
        let work = u64::try_from(work.as_nanos()).unwrap_or(u64::MAX);
        work.checked_div(self.0).and_then(|jobs| usize::try_from(jobs).ok()).unwrap_or(0)
    }
}

impl Scheduler {
    /// The worker can tell which job it has begun, so that it may be sent some ahead.
    pub(super) fn takes_ahead(&mut self, id: WorkerId) {
        if let Some(worker) = self.fleet.get_mut(id) {
            worker.takes_ahead = self.config.ahead > 0 && !self.config.process_per_job;
        }
    }

    /// The worker begins a job now, as far as anybody can tell.
    pub(super) fn begins(&mut self, id: WorkerId) {
        let now = self.now;
        let Some(worker) = self.fleet.get_mut(id) else { return };
        worker.began_at = now;
        if worker.takes_ahead {
            self.offer_ahead(id);
        }
    }

    fn offer_ahead(&mut self, id: WorkerId) {
        let (depth, earliest) = (self.depth(), self.earliest());
        if let Some(worker) = self.fleet.get_mut(id)
            && worker.may_take_ahead(depth, earliest)
            && !std::mem::replace(&mut worker.is_on_offer, true)
        {
            self.on_offer.push_back(id);
        }
    }

    fn depth(&self) -> usize {
        self.pace.jobs_in(WORK_AHEAD).min(self.config.ahead)
    }

    /// A worker that has run its job since before this is slow.
    fn earliest(&self) -> Time {
        Time::from_nanos(
            self.now.as_nanos().saturating_sub(PATIENCE.as_nanos().try_into().unwrap_or(u64::MAX)),
        )
    }

    /// Sends waiting jobs to busy workers, one to each in turn, where nobody is or will be idle.
    pub(super) fn send_ahead(&mut self) {
        if self.on_offer.is_empty() || self.fleet.starting() > 0 || self.regulars() < self.config.max_workers
        {
            return;
        }
        let (depth, earliest) = (self.depth(), self.earliest());
        while let Some(job) = self.queue.front() {
            let Some(id) = self.on_offer.pop_front() else { return };
            let Some(worker) = self.fleet.get_mut(id) else { continue };
            worker.is_on_offer = false;
            if !worker.may_take_ahead(depth, earliest) {
                continue;
            }
            if self.has_to_be_identified(job) {
                self.offer_ahead(id);
                return;
            }
            self.send_one_ahead(id, job);
            self.offer_ahead(id);
        }
    }

    fn send_one_ahead(&mut self, id: WorkerId, job: JobId) {
        let Some((attempt, remaining)) = self.leave_queue(job, Place::Ahead { worker: id }) else { return };
        if let Some(worker) = self.fleet.get_mut(id) {
            worker.ahead.push_back(job);
        }
        self.act(Action::Assign { worker: id, job, attempt, remaining });
        if self.ahead_timer.is_none() {
            self.ahead_timer = Some(self.timers.arm(self.now + PATIENCE, Due::Ahead));
        }
    }

    /// Recalls what waits behind jobs that take long.
    pub(super) fn patience_is_over(&mut self) {
        self.ahead_timer = None;
        let mut is_any = false;
        for id in self.fleet.ids() {
            let now = self.now;
            let Some(worker) = self.fleet.get_mut(id).filter(|worker| !worker.ahead.is_empty()) else {
                continue;
            };
            is_any = true;
            let is_slow = worker.began_at + PATIENCE <= now;
            if is_slow && worker.phase().is_in_service() && !std::mem::replace(&mut worker.is_recalled, true)
            {
                self.act(Action::Recall { worker: id });
            }
        }
        if is_any {
            self.ahead_timer = Some(self.timers.arm(self.now + PATIENCE, Due::Ahead));
        }
    }

    pub(super) fn begun_more(&mut self, id: WorkerId, jobs: usize) {
        match self.fleet.get_mut(id) {
            Some(worker) => worker.begun_ahead = jobs,
            None => self.counters.stale_events += 1,
        }
    }

    /// A dead worker's jobs ahead: those that it had begun may have run, and the death was none of their doing.
    pub(super) fn bury_ahead(&mut self, id: WorkerId, ahead: &VecDeque<JobId>, begun: usize) {
        let begun = begun.min(ahead.len());
        self.take_back(id, ahead.range(begun..).copied());
        for &job in ahead.range(..begun).rev() {
            if self.is_ahead_of(job, id) {
                self.crash(job, Death::Killed, None);
            }
        }
    }

    /// The worker has given back all but so many of the jobs that it has, the one that it runs included.
    pub(super) fn recalled(&mut self, id: WorkerId, keeps: usize) {
        let Some(worker) = self.fleet.get_mut(id) else {
            self.counters.stale_events += 1;
            return;
        };
        worker.is_recalled = false;
        let runs = usize::from(worker.phase().job().is_some());
        let back = worker.ahead.split_off(keeps.saturating_sub(runs).min(worker.ahead.len()));
        self.take_back(id, back);
        if keeps < runs {
            self.has_not_begun(id);
        }
        self.offer_ahead(id);
    }

    /// The job that followed the last one which the worker has begun was recalled, too.
    fn has_not_begun(&mut self, id: WorkerId) {
        let Some(phase) = self.fleet.phase(id) else { return };
        if let Some(job) = phase.job().filter(|&job| self.is_running_on(job, id)) {
            self.counters.taken_back += 1;
            self.requeue(job);
        }
        match phase {
            Phase::Busy(_) | Phase::Stopping(_) => {
                self.set_worker_timer(id, None);
                self.rest(id);
            }
            Phase::Killed { cause, .. } => self.fleet.enter(id, Phase::Killed { job: None, cause }),
            Phase::Starting | Phase::Idle | Phase::Retiring { .. } => {}
        }
    }

    /// Puts jobs that a worker had ahead, and has not begun, where they came from, in their order.
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

    /// The next of the jobs that the worker has ahead is the one that it runs now.
    pub(super) fn promote_ahead(&mut self, id: WorkerId) {
        let Some(job) = self.next_ahead(id) else { return };
        if self.is_running_on(job, id) {
            self.fleet.enter(id, Phase::Busy(job));
        } else {
            // It was resolved, and the worker told so: it passes it over, or gives it up within the grace.
            self.fleet.enter(id, Phase::Stopping(job));
            self.grant_grace(id);
        }
        self.begins(id);
    }

    /// The job that the worker, which has ended one, goes on with, resolved or not.
    pub(super) fn next_ahead(&mut self, id: WorkerId) -> Option<JobId> {
        let job = self.fleet.get_mut(id)?.ahead.pop_front()?;
        if self.is_ahead_of(job, id) {
            self.runs_now(job, id);
        }
        Some(job)
    }
}
