//! The life of a job: accepted, waiting, assigned, resolved once. Does not: decide about its
//! worker.

use std::collections::hash_map::Entry;
use std::time::Duration;

use super::job::{Job, Place};
use super::{Due, Scheduler};
use crate::phase::Phase;
use crate::queue::{Queue, Share};
use crate::{Action, Cause, Death, Fingerprint, JobId, Refusal, Stage, Terms, Time, Verdict, WorkerId};

/// Maximum number of times that a job may return to the queue because its worker died before it had
/// received the last byte. A frame that kills its reader must not pass through workers forever.
const MAX_RETURNS: u32 = 8;

/// The details of a handover.
pub(super) struct Turn {
    pub(super) attempt: u32,
    pub(super) remaining: Option<Duration>,
    /// Length of its payload.
    pub(super) bytes: usize,
}

impl Scheduler {
    pub(super) fn submit(&mut self, id: JobId, terms: Terms) {
        self.awake = true;
        if let Some(reason) = self.refusal(&terms).or_else(|| self.refusal_of_late(&terms)) {
            return self.refuse(id, reason);
        }
        let Entry::Vacant(entry) = self.jobs.entry(id) else {
            return self.refuse(id, Refusal::DuplicateId);
        };
        self.counters.accepted += 1;
        let deadline = terms.timeout.map(|timeout| self.now + timeout);
        let share = Share { priority: terms.priority, tenant: terms.tenant };
        entry.insert(Job {
            place: Place::Queued(self.queue.push_back(id, terms.bytes, share)),
            deadline,
            run_timeout: terms.run_timeout,
            timer: deadline.map(|at| self.timers.arm(at, Due::Job(id))),
            returns: 0,
            bytes: terms.bytes,
            attempt: 1,
            last_attempt: terms.attempts.max(1),
            print: terms.fingerprint.into(),
            client: terms.client,
            share,
        });
        self.convict(id);
    }

    #[cold]
    fn refuse(&mut self, id: JobId, reason: Refusal) {
        let reason = if self.jobs.contains_key(&id) { Refusal::DuplicateId } else { reason };
        self.act(Action::Refuse { job: id, reason });
        // A pool with a queue of 0 has no waiting jobs, so only refused jobs show that workers are
        // missing.
        self.recruit(usize::from(reason == Refusal::QueueFull));
    }

    /// Returns the length of an unresolved job's payload.
    pub(super) fn bytes(&self, id: JobId) -> usize {
        self.jobs.get(&id).map_or(0, |job| job.bytes)
    }

    /// Returns the stage of an unresolved job.
    pub(super) fn stage(&self, id: JobId) -> Stage {
        self.jobs.get(&id).map_or(Stage::Queued, Job::stage)
    }

    /// Returns why the pool refuses a job with these terms, apart from its id.
    fn refusal(&self, terms: &Terms) -> Option<Refusal> {
        if self.is_draining() {
            Some(Refusal::ShuttingDown)
        } else if self.is_closed() {
            Some(Refusal::Closed)
        } else if let Some(refusal) = self.refusal_of(terms.client) {
            Some(refusal)
        } else if self.is_out_of_service() {
            Some(Refusal::BreakerOpen { retry: self.until_next_trial() })
        } else if !self.has_room() {
            Some(Refusal::QueueFull)
        } else if !self.has_bytes(terms.bytes) {
            Some(Refusal::QueueBytesFull { waiting: self.queue.bytes() })
        } else if self.aside.len() > 0 {
            self.refusal_of_suspect(terms)
        } else {
            None
        }
    }

    /// Returns whether no worker is available and none may be started now. A job that arrives when
    /// a trial may start waits for that worker.
    pub(super) fn is_out_of_service(&self) -> bool {
        self.restarts.is_open() && self.fleet.serving() == 0 && !self.may_try()
    }

    /// Returns the time until the next trial. If a worker on trial is starting, its result is about
    /// as far away as the shortest pause.
    fn until_next_trial(&self) -> Duration {
        self.restarts.until().map_or(self.config.backoff.initial, |until| until.since(self.now))
    }

    /// Returns whether a worker is idle and gets a job, or a queue slot is free. Jobs that wait aside use no
    /// slot.
    pub(super) fn has_room(&self) -> bool {
        let takers = if self.is_paused() { 0 } else { self.fleet.idle() };
        self.queue.len() < self.config.queue.saturating_add(takers)
    }

    /// Returns whether another `bytes` may wait.
    fn has_bytes(&self, bytes: usize) -> bool {
        may_join(&self.queue, bytes, self.config.queue_bytes)
    }

    /// Returns the number of bytes that may still be added to the queue.
    pub(super) fn free_bytes(&self) -> Option<usize> {
        if self.queue.len() == 0 {
            return Some(usize::MAX);
        }
        self.config.queue_bytes.checked_sub(self.queue.bytes())
    }

    pub(super) fn commit(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.last_attempt = job.attempt;
        }
    }

    pub(super) fn cancel(&mut self, id: JobId) {
        match self.jobs.get(&id).map(Job::stage) {
            Some(stage) => self.end_early(id, Verdict::Cancelled { stage }, Cause::Cancelled),
            None => self.counters.late_cancels += 1,
        }
    }

    pub(super) fn job_is_due(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get(&id) {
            let verdict = Verdict::TimedOut { stage: job.stage(), limit: job.limit() };
            self.end_early(id, verdict, Cause::TimedOut);
        }
    }

    /// Resolves a job without waiting for its worker. If the worker has begun the job and does not
    /// give it up, the pool kills the worker for this `cause`.
    fn end_early(&mut self, id: JobId, verdict: Verdict, cause: Cause) {
        let worker = self.jobs.get(&id).and_then(Job::worker);
        self.resolve(id, verdict);
        if let Some(worker) = worker {
            self.abandon(worker, id, cause);
        }
    }

    /// Records that the worker has answered the job. Returns `false` if the job is already
    /// resolved, or is not with this worker.
    pub(super) fn finish(&mut self, id: JobId, worker: WorkerId) -> bool {
        let Entry::Occupied(entry) = self.jobs.entry(id) else { return false };
        if entry.get().worker() != Some(worker) {
            return false;
        }
        let job = entry.remove();
        self.absolve(job.print);
        self.end(id, &job, Verdict::Finished);
        true
    }

    /// Ends a job with its only outcome. Removing it from the table makes a second outcome
    /// impossible.
    pub(super) fn resolve(&mut self, id: JobId, verdict: Verdict) {
        if let Some(job) = self.jobs.remove(&id) {
            self.end(id, &job, verdict);
        }
    }

    fn end(&mut self, id: JobId, job: &Job, verdict: Verdict) {
        if let Some(timer) = job.timer {
            self.timers.disarm(timer);
        }
        self.leave(job.place);
        self.counters.resolved += 1;
        self.act(Action::Resolve { job: id, verdict });
    }

    /// Returns whether `id` is unresolved and with this worker.
    pub(super) fn is_running_on(&self, id: JobId, worker: WorkerId) -> bool {
        self.jobs.get(&id).and_then(Job::worker) == Some(worker)
    }

    /// Returns whether `id` is unresolved and this worker holds it ahead.
    pub(super) fn is_ahead_of(&self, id: JobId, worker: WorkerId) -> bool {
        self.jobs.get(&id).is_some_and(|job| job.is_ahead_of(worker))
    }

    fn leave(&mut self, place: Place) {
        match place {
            Place::Queued(spot) => self.queue.remove(spot),
            Place::Aside(spot) => self.aside.remove(spot),
            Place::Ahead { .. } | Place::Running { .. } => {}
        }
    }

    /// Assigns waiting jobs to idle workers until either run out, or until the first job must be
    /// identified.
    pub(super) fn dispatch(&mut self) {
        if self.is_paused() {
            return;
        }
        self.dispatch_aside();
        while let (Some(worker), Some(job)) = (self.fleet.warmest(), self.queue.front()) {
            if self.has_to_be_identified(job) {
                return;
            }
            match self.fitting(job, worker) {
                Some(worker) => self.assign(worker, job),
                None if self.has_room_aside(self.bytes(job)) => self.set_aside(job),
                None => self.assign(worker, job),
            }
        }
        self.send_ahead();
    }

    /// Assigns a waiting job to an idle worker.
    pub(super) fn assign(&mut self, worker: WorkerId, id: JobId) {
        if let Some(Turn { attempt, remaining, bytes }) = self.leave_queue(id, worker, false) {
            self.begins(worker, Phase::Busy(id), bytes);
            self.act(Action::Assign { worker, job: id, attempt, remaining });
        }
    }

    /// Moves a job from the queue to a worker, which runs it at once or holds it ahead. Returns
    /// `None` if the job ended instead: its deadline had passed before a tick, or it may no longer
    /// run.
    pub(super) fn leave_queue(&mut self, id: JobId, worker: WorkerId, is_ahead: bool) -> Option<Turn> {
        let suspects_some = self.suspects_some();
        let mut job = self.jobs.get_mut(&id)?;
        if job.deadline.is_some_and(|deadline| deadline <= self.now) {
            self.job_is_due(id);
            return None;
        }
        let is_short = |deadline: Time| deadline.since(self.now) < self.run_times.usual();
        if self.config.admission && self.queue.len() > 1 && job.deadline.is_some_and(is_short) {
            if let Some(verdict) = self.is_too_late(id) {
                self.resolve(id, verdict);
                return None;
            }
            job = self.jobs.get_mut(&id)?;
        }
        if suspects_some {
            if self.convict(id) {
                return None;
            }
            job = self.jobs.get_mut(&id)?;
        }
        let (attempt, bytes, left) = (job.attempt, job.bytes, job.place);
        let (end, _) = job.end(self.now);
        if is_ahead {
            job.place = Place::Ahead { worker };
        } else {
            job.run_on(worker, self.now, &mut self.timers, id);
        }
        match left {
            Place::Queued(spot) => self.queue.take_turn(spot),
            left => self.leave(left),
        }
        Some(Turn { attempt, remaining: end.map(|end| end.since(self.now)), bytes })
    }

    /// Moves a waiting job to another place.
    pub(super) fn moves(&mut self, id: JobId, place: Place) {
        if let Some(job) = self.jobs.get_mut(&id) {
            let left = std::mem::replace(&mut job.place, place);
            self.leave(left);
        }
    }

    /// Records that the worker begins this job, which it held ahead. Returns `false` if the job is
    /// already resolved.
    pub(super) fn goes_on_with(&mut self, id: JobId, worker: WorkerId) -> bool {
        let ahead = self.jobs.get_mut(&id).filter(|job| job.is_ahead_of(worker));
        let Some(job) = ahead else { return false };
        job.run_on(worker, self.now, &mut self.timers, id);
        true
    }

    /// Returns a job to the queue whose worker died before it had received all of it. This uses up
    /// no attempt, because no worker has run the job.
    pub(super) fn put_back(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.returns == MAX_RETURNS {
            // An earlier attempt may have had side effects.
            let handed_over = job.attempt > 1;
            return self.resolve(id, self.crashed(id, handed_over));
        }
        job.returns += 1;
        self.counters.returned += 1;
        self.requeue(id);
    }

    /// Handles a job whose worker died after it had received all of it. `is_first` says that the
    /// worker had run no job before. Retries the job if it has an attempt left and neither its
    /// payload nor its client forbids it. Otherwise the job has crashed.
    pub(super) fn crash(
        &mut self,
        id: JobId,
        is_first: bool,
        death: Death,
        fingerprint: Option<Fingerprint>,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.print.learn(fingerprint);
        if death != Death::Killed {
            self.strike(id, is_first);
        }
        let Some(job) = self.jobs.get(&id) else { return };
        let is_hopeless = death == Death::OutOfMemory && !self.config.retry_out_of_memory;
        let is_last = job.attempt == job.last_attempt;
        if is_last || is_hopeless || self.is_shunned(id) || self.sentence(id).is_some() {
            return self.resolve(id, self.crashed(id, true));
        }
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.attempt += 1;
        self.counters.retried += 1;
        self.requeue(id);
    }

    /// Puts a job at the front of the queue under its old deadline. No attempt ever extends the
    /// deadline.
    pub(super) fn requeue(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.place = Place::Queued(self.queue.push_front(id, job.bytes, job.share));
        job.set_timer(job.deadline, &mut self.timers, id);
    }
}

/// Returns whether a job with this number of bytes may wait in this queue, whose maximum is `most`.
/// A job of any size may wait alone, because otherwise it could never run.
pub(super) fn may_join(queue: &Queue, bytes: usize, most: usize) -> bool {
    queue.len() == 0 || queue.bytes().saturating_add(bytes) <= most
}
