//! Jobs whose payloads have killed, and that may be innocent: the effects of an earlier job may
//! have killed the worker. So each is the first job of a worker from then on. Does not: judge them;
//! that is the quarantine's.

use super::Scheduler;
use super::job::Place;
use super::jobs::may_join;
use super::shutdown::Life;
use crate::fleet::Tired;
use crate::{JobId, Refusal, Terms, WorkerId};

impl Scheduler {
    /// Returns whether the job has to wait for a worker that has run nothing. Where none can be had
    /// it may as well run at once.
    pub(super) fn has_to_be_first(&self, id: JobId) -> bool {
        !self.quarantine.is_empty() && self.deaths(id) > 0 && self.can_have_fresh()
    }

    /// Returns the idle worker that may have the job, which is any but for a payload that has
    /// killed.
    pub(super) fn fitting(&self, id: JobId, any: WorkerId) -> Option<WorkerId> {
        if self.quarantine.is_empty() || self.deaths(id) == 0 {
            return Some(any);
        }
        self.fleet.idle_and_fresh().or_else(|| (!self.can_have_fresh()).then_some(any))
    }

    /// Returns why a job whose payload has killed is refused: it would wait aside, and the maximum
    /// number of jobs already does. One that is not run at all gets that reason instead.
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

    /// Returns whether a job of this size may wait aside: as many as in the queue, and as many
    /// bytes. One that was accepted before its payload killed runs in any worker instead, so that
    /// neither others nor memory suffer from a crowd.
    pub(super) fn has_room_aside(&self, bytes: usize) -> bool {
        self.has_places_aside() && may_join(&self.aside, bytes, self.config.queue_bytes)
    }

    /// Returns whether there is a place aside. One job may always wait, or it could never run.
    fn has_places_aside(&self) -> bool {
        self.aside.len() < self.config.queue.max(1)
    }

    /// Sets a job aside, and lets those behind it pass. It is given the next worker that has run
    /// nothing, unless its payload is no longer run at all: then no worker is replaced for it.
    pub(super) fn set_aside(&mut self, id: JobId) {
        if self.convict(id) {
            return;
        }
        let spot = self.aside.push_back(id, self.bytes(id));
        self.moves(id, Place::Aside(spot));
    }

    /// Gives jobs that were set aside to workers that have run nothing, or to any if they have been forgiven meanwhile.
    pub(super) fn dispatch_aside(&mut self) {
        while let Some(job) = self.aside.front() {
            if self.convict(job) {
                continue;
            }
            let Some(worker) = self.fleet.warmest().and_then(|any| self.fitting(job, any)) else { return };
            self.assign(worker, job);
        }
    }

    /// Replaces a worker where a job waits for one that has run nothing, and none is on its way.
    /// One at a time, and the replacement first, so that no other job lacks a worker for it. An
    /// idle worker goes at once. Of those that are busy, one goes whose job has just begun, as the
    /// next replacement waits until this one is gone.
    pub(super) fn freshen(&mut self) {
        if self.aside.front().is_none() || self.fleet.starting() > 0 || self.fleet.tired() > 0 {
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

    /// Returns whether a worker that has run nothing is on its way up, or may be started beside all
    /// others.
    fn can_have_fresh(&self) -> bool {
        let may_renew = self.life == Life::Open && self.replacement.is_none() && self.may_try();
        self.fleet.starting() > 0 || may_renew
    }
}
