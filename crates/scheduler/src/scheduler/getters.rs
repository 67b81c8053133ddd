//! The state of the pool, for those who show it. No decision depends on these methods.

use std::time::Duration;

use super::Scheduler;
use super::orders::Mode;
use super::shutdown::Life;
use crate::clients::SuspectClient;
use crate::phase::Phase;
use crate::quarantine::Suspect;
use crate::{Cause, Counters, Generation, JobId, Settings, Time, WorkerId, WorkerState};

impl Scheduler {
    /// Returns the maximum payload length for which the pool decides at once and finally. It accepts such a
    /// job, or refuses it because of a drain, an order or the open breaker. Returns `None` if the pool refuses every
    /// job until a worker or a queue slot is free.
    #[must_use]
    pub fn room(&self) -> Option<usize> {
        if self.is_draining() || self.is_closed() || self.is_out_of_service() {
            return Some(usize::MAX);
        }
        self.has_room().then(|| self.free_bytes()).flatten()
    }

    /// Returns the total number of bytes of all waiting payloads.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queue.bytes() + self.aside.bytes()
    }

    /// Returns the number of waiting jobs.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len() + self.aside.len()
    }

    /// Returns the oldest job of those that wait in the queue, and of those that wait aside.
    pub fn oldest(&self) -> impl Iterator<Item = JobId> {
        [self.queue.oldest(), self.aside.oldest()].into_iter().flatten()
    }

    /// Returns the number of jobs that wait aside for a worker that has run none: their payloads have killed.
    #[must_use]
    pub fn set_apart(&self) -> usize {
        self.aside.len()
    }

    /// Returns the total number of bytes of the payloads that wait aside.
    #[must_use]
    pub fn set_apart_bytes(&self) -> usize {
        self.aside.bytes()
    }

    /// Returns the number of unresolved jobs that workers hold.
    #[must_use]
    pub fn running(&self) -> usize {
        self.jobs.len() - self.queued()
    }

    /// Returns all workers that have been started and have not died, in no particular order. Each has the job
    /// that it was assigned and has not answered. A cancel or a deadline may have resolved that job already.
    pub fn workers(&self) -> impl Iterator<Item = (WorkerId, WorkerState, Option<JobId>)> + '_ {
        self.fleet.iter()
    }

    /// Returns the number of workers in this state. Takes constant time.
    #[must_use]
    pub const fn workers_in(&self, state: WorkerState) -> usize {
        self.fleet.in_state(state)
    }

    /// Returns the number of workers that have been started and have not died.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.fleet.strength() + self.fleet.retiring()
    }

    /// Returns the number of workers gone whose end the pool had not asked for.
    #[must_use]
    pub fn unwanted_deaths(&self) -> u64 {
        Cause::ALL.into_iter().filter(|cause| !cause.is_the_pools()).map(|cause| self.gone(cause)).sum()
    }

    /// Returns the number of waiting jobs of each priority, in the order of [`Priority`](crate::Priority).
    #[must_use]
    pub fn queued_by_priority(&self) -> [usize; 3] {
        let aside = self.aside.by_priority();
        let mut queued = self.queue.by_priority();
        queued.iter_mut().zip(aside).for_each(|(queued, aside)| *queued += aside);
        queued
    }

    /// Returns the time that a job which joins the queue now is likely to wait: those before it and half of the
    /// running ones, at the mean run time of the latest jobs, divided among the workers. Zero while a worker is
    /// idle, and until enough jobs have run.
    #[must_use]
    pub fn predicted_wait(&self) -> Duration {
        if self.fleet.idle() > 0 {
            return Duration::ZERO;
        }
        let mean = self.run_times.mean().unwrap_or_default();
        let jobs = self.queued() as f64 + self.running() as f64 / 2.0;
        mean.mul_f64(jobs / self.fleet.serving().max(1) as f64)
    }

    /// Returns the number of payloads that are in quarantine, as of `now`.
    #[must_use]
    pub fn condemned(&self, now: Time) -> usize {
        self.quarantine.suspects(now).filter(|suspect| !suspect.is_run).count()
    }

    /// Returns the state of a worker with its job, and the time since which it has run that job or been idle.
    #[must_use]
    pub fn worker(&self, worker: WorkerId) -> Option<(WorkerState, Option<JobId>, Option<Time>)> {
        self.fleet.one(worker)
    }

    /// Returns the totals since the pool's start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns the number of workers gone for this cause.
    #[must_use]
    pub fn gone(&self, cause: Cause) -> u64 {
        self.deaths.of(cause)
    }

    /// Returns why the pool killed this worker or asked it to exit, or `None` if it did not.
    #[must_use]
    pub fn reason(&self, worker: WorkerId) -> Option<Cause> {
        self.fleet.phase(worker).and_then(Phase::reason)
    }

    /// Returns the time until which the pool starts no worker, because workers kept dying before they
    /// finished a job.
    #[must_use]
    pub fn is_backing_off(&self) -> Option<Time> {
        self.restarts.until()
    }

    /// Returns whether the breaker is open. The pool then starts workers one at a time, on trial, and no job
    /// waits for them.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.restarts.is_open()
    }

    /// Returns whether any payload has recently killed a worker, which makes fingerprints worth computing.
    #[must_use]
    pub fn knows_poison(&self) -> bool {
        !self.quarantine.is_empty()
    }

    /// Returns the payloads that have recently killed workers, as of `now`, in no particular order.
    pub fn suspects(&self, now: Time) -> impl Iterator<Item = Suspect> + '_ {
        self.quarantine.suspects(now)
    }

    /// Returns the clients whose jobs have recently killed workers, as of `now`, in no particular order.
    pub fn suspect_clients(&self, now: Time) -> impl Iterator<Item = SuspectClient> + '_ {
        self.clients.suspects(now)
    }

    /// Returns the generation that workers are started from.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.rollout.current()
    }

    /// Returns whether the pool tries another generation, or still replaces workers of an older one.
    #[must_use]
    pub fn is_reloading(&self) -> bool {
        self.rollout.is_under_way()
    }

    /// Returns whether the pool assigns no jobs for now.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.mode == Mode::Paused
    }

    /// Returns whether the pool refuses jobs for now.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.mode == Mode::Closed
    }

    /// Returns the settings that may change while the pool runs.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.config.settings()
    }

    /// Returns whether the pool has permanently stopped accepting jobs.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.life != Life::Open
    }
}
