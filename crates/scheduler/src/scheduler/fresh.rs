//! Jobs whose payloads have killed a worker but may be innocent, because an earlier job may have
//! damaged that worker. So each of them runs as the first job of a worker. Does not: judge the
//! payloads; the quarantine does.

use super::Scheduler;
use super::job::Place;
use super::jobs::may_join;
use super::shutdown::Life;
use crate::fleet::Tired;
use crate::queue::Share;
use crate::{JobId, Refusal, Terms, WorkerId};

impl Scheduler {
    /// Returns whether the job has to wait for a worker that has run no job. If no such worker can
    /// be started, the job may run at once.
    pub(super) fn has_to_be_first(&self, id: JobId) -> bool {
        !self.quarantine.is_empty() && self.deaths(id) > 0 && self.can_have_fresh()
    }

    /// Returns the idle worker that may have the job: `any`, except for a payload that has killed a
    /// worker.
    pub(super) fn fitting(&self, id: JobId, any: WorkerId) -> Option<WorkerId> {
        if self.quarantine.is_empty() || self.deaths(id) == 0 {
            return Some(any);
        }
        self.fleet.idle_and_fresh().or_else(|| (!self.can_have_fresh()).then_some(any))
    }

    /// Returns why the pool refuses a job whose payload has killed a worker: there is no room
    /// aside. Returns `None` for a payload in quarantine, because its job ends with that verdict.
    pub(super) fn refusal_of_suspect(&self, terms: &Terms) -> Option<Refusal> {
        let payload = terms.fingerprint.filter(|&it| self.quarantine.deaths(it, self.now) > 0)?;
        if self.quarantine.sentence(payload, self.now).is_some() || !self.can_have_fresh() {
            None
        } else if !self.has_places_aside() {
            Some(Refusal::QueueFull)
        } else if !may_join(&self.aside, terms.bytes, self.config.queue_bytes) {
            Some(Refusal::QueueBytesFull { waiting: self.aside.bytes() })
        } else {
            None
        }
    }

    /// Returns whether a job of this size may wait aside. The maximum number of jobs and bytes is
    /// that of the queue. Beyond it, a job accepted before its payload killed a worker runs in any
    /// worker. So a crowd of them neither blocks other jobs nor uses more memory.
    pub(super) fn has_room_aside(&self, bytes: usize) -> bool {
        self.has_places_aside() && may_join(&self.aside, bytes, self.config.queue_bytes)
    }

    /// Returns whether there is a place aside. One job may always wait, because otherwise it could
    /// never run.
    fn has_places_aside(&self) -> bool {
        self.aside.len() < self.config.queue.max(1)
    }

    /// Sets a job aside and lets later jobs pass it. The job gets the next worker that has run no
    /// job. If the job may no longer run, ends it instead, so that no worker is replaced for it.
    pub(super) fn set_aside(&mut self, id: JobId) {
        if self.convict(id) {
            return;
        }
        let spot = self.aside.push_back(id, self.bytes(id), Share::default());
        self.moves(id, Place::Aside(spot));
    }

    /// Assigns jobs that were set aside to workers that have run no job. Assigns them to any worker
    /// if their payloads have been pardoned since.
    pub(super) fn dispatch_aside(&mut self) {
        while let Some(job) = self.aside.front() {
            if self.convict(job) {
                continue;
            }
            let Some(worker) = self.fleet.warmest().and_then(|any| self.fitting(job, any)) else { return };
            self.assign(worker, job);
        }
    }

    /// Replaces a worker if a job waits for one that has run no job, and none is starting. Replaces
    /// one worker at a time and starts the replacement first, so that no other job lacks a worker.
    /// An idle worker goes at once. Otherwise the pool selects the busy worker whose job began
    /// last, because the next replacement waits until this worker is gone.
    pub(super) fn freshen(&mut self) {
        let is_wanted = self.aside.front().is_some() && !self.is_paused();
        if !is_wanted || self.fleet.starting() > 0 || self.fleet.tired() > 0 {
            return;
        }
        if !self.can_have_fresh() {
            return;
        }
        let idle = self.fleet.coldest().map(|(worker, _)| worker);
        if let Some(worker) = idle.or_else(|| self.fleet.last_to_begin()) {
            self.fleet.tire(worker, Tired::Worn);
        }
    }

    /// Returns whether a worker that has run no job is starting, or may be started in addition to
    /// all others.
    fn can_have_fresh(&self) -> bool {
        let may_renew = self.life == Life::Open && self.replacement.is_none() && self.may_try();
        self.fleet.starting() > 0 || may_renew
    }
}
