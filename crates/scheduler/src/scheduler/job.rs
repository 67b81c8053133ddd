//! One job: its place and its time limits. Does not: know the queue and the workers.

use std::time::Duration;

use super::Due;
use super::poison::Print;
use crate::queue::{Share, Spot};
use crate::timers::{Timer, Timers};
use crate::{Client, JobId, Limit, Stage, Time, WorkerId};

/// A job that was accepted and has not been resolved.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) place: Place,
    pub(super) deadline: Option<Time>,
    pub(super) run_timeout: Option<Duration>,
    /// Rings at the deadline. While the job runs, rings at the end of the run timeout if that is
    /// earlier.
    pub(super) timer: Option<Timer>,
    pub(super) returns: u32,
    /// Length of its payload.
    pub(super) bytes: usize,
    /// The current attempt, from 1.
    pub(super) attempt: u32,
    /// The last attempt that it may have.
    pub(super) last_attempt: u32,
    pub(super) print: Print,
    pub(super) client: Option<Client>,
    pub(super) share: Share,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Queued(Spot),
    /// Waits [aside](super::Scheduler::set_aside) for a worker that has run no job.
    Aside(Spot),
    /// With a worker that, as far as the pool knows, runs another job first.
    Ahead {
        worker: WorkerId,
    },
    /// With the worker that runs it. Its timer rings for `limit`.
    Running {
        worker: WorkerId,
        limit: Limit,
    },
}

impl Job {
    pub(super) const fn stage(&self) -> Stage {
        match self.place {
            // An earlier attempt may have had side effects.
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

    /// Returns whether this worker holds it ahead.
    pub(super) fn is_ahead_of(&self, worker: WorkerId) -> bool {
        matches!(self.place, Place::Ahead { worker: it } if it == worker)
    }

    pub(super) const fn limit(&self) -> Limit {
        match self.place {
            Place::Queued(_) | Place::Aside(_) | Place::Ahead { .. } => Limit::Total,
            Place::Running { limit, .. } => limit,
        }
    }

    /// Returns the end of its time if it runs from `now` on, and the limit that sets it. If both
    /// limits end together, returns the deadline.
    pub(super) fn end(&self, now: Time) -> (Option<Time>, Limit) {
        let run_end = self.run_timeout.map(|timeout| now + timeout);
        match (self.deadline, run_end) {
            (Some(deadline), Some(run_end)) if run_end < deadline => (Some(run_end), Limit::Run),
            (None, Some(run_end)) => (Some(run_end), Limit::Run),
            (deadline, _) => (deadline, Limit::Total),
        }
    }

    /// Records that the worker runs it from `now` on.
    pub(super) fn run_on(&mut self, worker: WorkerId, now: Time, timers: &mut Timers<Due>, id: JobId) {
        let (end, limit) = self.end(now);
        self.place = Place::Running { worker, limit };
        self.set_timer(end, timers, id);
    }

    /// Sets its timer to `end`.
    pub(super) fn set_timer(&mut self, end: Option<Time>, timers: &mut Timers<Due>, id: JobId) {
        // Most jobs have no run timeout. The timer for the deadline then serves the whole life of
        // the job.
        if self.timer.map(Timer::at) == end {
            return;
        }
        if let Some(timer) = self.timer.take() {
            timers.disarm(timer);
        }
        self.timer = end.map(|at| timers.arm(at, Due::Job(id)));
    }
}
