//! The life of a job: accepted, waiting, assigned, resolved once. Refuses to know what becomes of its worker.

use std::time::Duration;

use super::poison::Print;
use super::{Due, Scheduler};
use crate::queue::Spot;
use crate::timers::Timer;
use crate::{
    Action, Cause, Client, Death, Fingerprint, JobId, Limit, Refusal, Stage, Terms, Time, Verdict, WorkerId,
};

/// So many times a job may go back to the queue because its worker died before the last byte had reached it. A frame
/// that kills whoever begins to read it must not go through workers for ever.
const MAX_RETURNS: u32 = 8;

/// A job that was accepted and has not been resolved.
#[derive(Debug)]
pub(super) struct Job {
    place: Place,
    deadline: Option<Time>,
    run_timeout: Option<Duration>,
    /// Rings at the deadline or, when the job runs, at the end of its run timeout if that is earlier.
    timer: Option<Timer>,
    returns: u32,
    /// Length of its payload.
    bytes: usize,
    /// The one that it is at, from 1.
    attempt: u32,
    /// The last one it may have.
    last_attempt: u32,
    pub(super) print: Print,
    pub(super) client: Option<Client>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Queued(Spot),
    /// Waits [aside](Scheduler::set_aside) for a worker that has run nothing.
    Aside(Spot),
    /// With a worker that runs another one first, as far as is known.
    Ahead {
        worker: WorkerId,
    },
    /// `limit` is the one that its timer stands for.
    Running {
        worker: WorkerId,
        limit: Limit,
    },
}

impl Job {
    pub(super) const fn stage(&self) -> Stage {
        match self.place {
            // An earlier attempt may have had its effects.
            Place::Queued(_) | Place::Aside(_) if self.attempt == 1 => Stage::Queued,
            Place::Queued(_) | Place::Aside(_) | Place::Ahead { .. } | Place::Running { .. } => {
                Stage::Running
            }
        }
    }

    pub(super) const fn worker(&self) -> Option<WorkerId> {
        match self.place {
            Place::Queued(_) | Place::Aside(_) => None,
            Place::Ahead { worker } | Place::Running { worker, .. } => Some(worker),
        }
    }

    const fn limit(&self) -> Limit {
        match self.place {
            Place::Queued(_) | Place::Aside(_) | Place::Ahead { .. } => Limit::Total,
            Place::Running { limit, .. } => limit,
        }
    }
}

impl Scheduler {
    pub(super) fn submit(&mut self, id: JobId, terms: Terms) {
        self.awake = true;
        if let Some(reason) = self.refusal(id, &terms) {
            self.act(Action::Refuse { job: id, reason });
            // With a queue of 0 nothing ever waits, so only those turned away can show that workers are missing.
            self.recruit(usize::from(reason == Refusal::QueueFull));
            return;
        }
        self.counters.accepted += 1;
        let deadline = terms.timeout.map(|timeout| self.now + timeout);
        let timer = deadline.map(|at| self.timers.arm(at, Due::Job(id)));
        let place = Place::Queued(self.queue.push_back(id, terms.bytes));
        self.jobs.insert(
            id,
            Job {
                place,
                deadline,
                run_timeout: terms.run_timeout,
                timer,
                returns: 0,
                bytes: terms.bytes,
                attempt: 1,
                last_attempt: terms.attempts.max(1),
                print: terms.fingerprint.into(),
                client: terms.client,
            },
        );
        self.convict(id);
    }

    /// Length of an unresolved job's payload.
    pub(super) fn bytes(&self, id: JobId) -> usize {
        self.jobs.get(&id).map_or(0, |job| job.bytes)
    }

    /// How far an unresolved job has come.
    pub(super) fn stage(&self, id: JobId) -> Stage {
        self.jobs.get(&id).map_or(Stage::Queued, Job::stage)
    }

    fn refusal(&self, id: JobId, terms: &Terms) -> Option<Refusal> {
        if self.jobs.contains_key(&id) {
            Some(Refusal::DuplicateId)
        } else if self.is_draining() {
            Some(Refusal::ShuttingDown)
        } else if let Some(refusal) = self.refusal_of(terms.client) {
            Some(refusal)
        } else if self.is_out_of_service() {
            Some(Refusal::BreakerOpen { retry: self.until_next_trial() })
        } else if !self.has_room() {
            Some(Refusal::QueueFull)
        } else if !self.has_bytes(terms.bytes) {
            Some(Refusal::QueueBytesFull { waiting: self.queued_bytes() })
        } else {
            None
        }
    }

    /// Whether nobody can say that a worker will be there soon. A job that comes when one may be tried waits for it.
    pub(super) fn is_out_of_service(&self) -> bool {
        self.restarts.is_open() && self.fleet.serving() == 0 && !self.may_try()
    }

    /// While one is on its way up, its verdict is about as far away as the shortest pause.
    fn until_next_trial(&self) -> Duration {
        self.restarts.until().map_or(self.config.backoff.initial, |until| until.since(self.now))
    }

    /// Whether a worker is idle or a place in the queue is free.
    pub(super) fn has_room(&self) -> bool {
        self.queued() < self.config.queue.saturating_add(self.fleet.idle())
    }

    /// Whether so many bytes more may wait. A job of any size may be the only one that waits, or it could never run.
    pub(super) fn has_bytes(&self, bytes: usize) -> bool {
        self.queued() == 0 || self.queued_bytes().saturating_add(bytes) <= self.config.queue_bytes
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

    /// Resolves a job without waiting for its worker, which is killed for this `cause` if it has begun the job and does not
    /// give it up.
    fn end_early(&mut self, id: JobId, verdict: Verdict, cause: Cause) {
        let worker = self.jobs.get(&id).and_then(Job::worker);
        self.resolve(id, verdict);
        if let Some(worker) = worker {
            self.abandon(worker, id, cause);
        }
    }

    /// The job's one outcome. Taking it out of the table is what makes a second one impossible.
    pub(super) fn resolve(&mut self, id: JobId, verdict: Verdict) {
        let Some(job) = self.jobs.remove(&id) else { return };
        if let Some(timer) = job.timer {
            self.timers.disarm(timer);
        }
        self.leave(job.place);
        self.counters.resolved += 1;
        self.act(Action::Resolve { job: id, verdict });
    }

    /// Whether `id` is unresolved and with this worker.
    pub(super) fn is_running_on(&self, id: JobId, worker: WorkerId) -> bool {
        self.jobs.get(&id).and_then(Job::worker) == Some(worker)
    }

    /// Whether `id` is unresolved and this worker has it ahead.
    pub(super) fn is_ahead_of(&self, id: JobId, worker: WorkerId) -> bool {
        matches!(self.jobs.get(&id).map(|job| job.place), Some(Place::Ahead { worker: it }) if it == worker)
    }

    fn leave(&mut self, place: Place) {
        match place {
            Place::Queued(spot) => self.queue.remove(spot),
            Place::Aside(spot) => self.aside.remove(spot),
            Place::Ahead { .. } | Place::Running { .. } => {}
        }
    }

    /// Gives waiting jobs to idle workers until either run out, or the first one has to be identified before.
    pub(super) fn dispatch(&mut self) {
        self.dispatch_aside();
        while let (Some(worker), Some(job)) = (self.fleet.warmest(), self.queue.front()) {
            if self.has_to_be_identified(job) {
                return;
            }
            match self.fitting(job, worker) {
                Some(worker) => self.assign(worker, job),
                None => self.set_aside(job),
            }
        }
        self.send_ahead();
    }

    /// Gives a waiting job to an idle worker.
    pub(super) fn assign(&mut self, worker: WorkerId, id: JobId) {
        let place = Place::Running { worker, limit: Limit::Total };
        let Some((attempt, remaining)) = self.leave_queue(id, place) else { return };
        self.runs_now(id, worker);
        self.occupy(worker, id);
        self.act(Action::Assign { worker, job: id, attempt, remaining });
    }

    /// Takes a job from the queue to another place, unless its deadline has passed before anybody ticked, or its payload is
    /// in quarantine. Says which attempt it is at, and how long it may run.
    pub(super) fn leave_queue(&mut self, id: JobId, place: Place) -> Option<(u32, Option<Duration>)> {
        let job = self.jobs.get_mut(&id)?;
        if job.deadline.is_some_and(|deadline| deadline <= self.now) {
            self.job_is_due(id);
            return None;
        }
        if self.convict(id) {
            return None;
        }
        let job = self.jobs.get_mut(&id)?;
        let left = std::mem::replace(&mut job.place, place);
        let run_end = job.run_timeout.map(|timeout| self.now + timeout);
        let (end, _) = earlier(job.deadline, run_end);
        let turn = (job.attempt, end.map(|end| end.since(self.now)));
        self.leave(left);
        Some(turn)
    }

    /// Takes a waiting job to another place.
    pub(super) fn moves(&mut self, id: JobId, place: Place) {
        if let Some(job) = self.jobs.get_mut(&id) {
            let left = std::mem::replace(&mut job.place, place);
            self.leave(left);
        }
    }

    /// The worker runs this job from now on, as far as is known.
    pub(super) fn runs_now(&mut self, id: JobId, worker: WorkerId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let run_end = job.run_timeout.map(|timeout| self.now + timeout);
        let (end, limit) = earlier(job.deadline, run_end);
        job.place = Place::Running { worker, limit };
        self.set_job_timer(id, end);
    }

    /// Its worker died before it had got all of the job: nobody has seen it, so this costs it no attempt.
    pub(super) fn put_back(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.returns == MAX_RETURNS {
            // An earlier attempt may have had its effects.
            let handed_over = job.attempt > 1;
            return self.resolve(id, Verdict::Crashed { handed_over, payload_deaths: self.deaths(id) });
        }
        job.returns += 1;
        self.counters.returned += 1;
        self.requeue(id);
    }

    /// Its worker, which had run none before if `is_first`, died with all of the job: tried again if that was allowed, else
    /// crashed, or poisoned if it has killed too many.
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
        if self.convict(id) {
            return;
        }
        let Some(job) = self.jobs.get(&id) else { return };
        let is_hopeless = death == Death::OutOfMemory && !self.config.retry_out_of_memory;
        let is_last = job.attempt == job.last_attempt;
        if is_last || is_hopeless || self.is_shunned(id) {
            return self.resolve(id, Verdict::Crashed { handed_over: true, payload_deaths: self.deaths(id) });
        }
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.attempt += 1;
        self.counters.retried += 1;
        self.requeue(id);
    }

    /// First in the queue again, under the old deadline: no attempt ever extends it.
    pub(super) fn requeue(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.place = Place::Queued(self.queue.push_front(id, job.bytes));
        let deadline = job.deadline;
        self.set_job_timer(id, deadline);
    }

    fn set_job_timer(&mut self, id: JobId, end: Option<Time>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        // Most jobs have no run timeout of their own: the timer of their deadline serves from beginning to end.
        if job.timer.map(Timer::at) == end {
            return;
        }
        if let Some(timer) = job.timer.take() {
            self.timers.disarm(timer);
        }
        job.timer = end.map(|at| self.timers.arm(at, Due::Job(id)));
    }
}

/// Which limit ends a run, and when. Of two that end together it is the deadline.
fn earlier(deadline: Option<Time>, run_end: Option<Time>) -> (Option<Time>, Limit) {
    match (deadline, run_end) {
        (Some(deadline), Some(run_end)) if run_end < deadline => (Some(run_end), Limit::Run),
        (None, Some(run_end)) => (Some(run_end), Limit::Run),
        (deadline, _) => (deadline, Limit::Total),
    }
}
