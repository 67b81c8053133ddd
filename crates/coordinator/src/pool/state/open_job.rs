//! One accepted job, as the pool keeps it between its submission and its outcome.

use super::context::Told;
use super::events::Events;
use super::slot::WorkerSlot;
use crate::recorder::Sent;
use procpool_protocol::engine::{ClientName, JobLimits, Priority};
use procpool_protocol::outcome::{Finished, JobId, Outcome, Refusal, Timing};
use procpool_protocol::{Encoding, Failure, JobError, Payload, TraceContext};
use procpool_scheduler::{Tenant, Time, WorkerId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A job as its caller submits it.
#[derive(Debug)]
pub(crate) struct NewJob {
    pub(crate) input: Payload,
    /// The encoding in which a typed output is wanted.
    pub(crate) reply: Encoding,
    pub(crate) limits: JobLimits,
    /// Maximum number of times that the job may be handed to a worker.
    pub(crate) attempts: u32,
    /// Whether its worker is asked for processor time and peak memory.
    pub(crate) reports_usage: bool,
    /// The encoding of the inputs in it, if it is a batch of them.
    pub(crate) batch: Option<Encoding>,
    /// Who wants it done, if that is known.
    pub(crate) client: Option<ClientName>,
    /// Its rank among the waiting jobs.
    pub(crate) priority: Priority,
    /// Who shares turns with its submitter's other jobs.
    pub(crate) tenant: Option<ClientName>,
    /// The trace that it belongs to.
    pub(crate) trace: Option<Arc<TraceContext>>,
    /// The receiver of progress and chunks. `None`: nobody listens.
    pub(crate) events: Option<Arc<Events>>,
}

impl NewJob {
    /// Returns the scheduler's name of its priority.
    pub(crate) const fn rank(&self) -> procpool_scheduler::Priority {
        match self.priority {
            Priority::High => procpool_scheduler::Priority::High,
            Priority::Normal => procpool_scheduler::Priority::Normal,
            Priority::Low => procpool_scheduler::Priority::Low,
        }
    }

    /// Returns the scheduler's name of its tenant.
    pub(crate) fn tenant(&self) -> Option<Tenant> {
        self.tenant.as_ref().map(|tenant| Tenant(tenant.number()))
    }
}

#[cfg(test)]
impl NewJob {
    /// Creates a job with one attempt and no bounds of its own, to whose progress nobody listens.
    pub(crate) fn of(input: Payload) -> Self {
        Self {
            input,
            reply: Encoding::Json,
            limits: JobLimits::default(),
            attempts: 1,
            reports_usage: false,
            batch: None,
            client: None,
            priority: Priority::Normal,
            tenant: None,
            trace: None,
            events: None,
        }
    }
}

/// A job that was not accepted.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) job: NewJob,
    pub(crate) reason: Refusal,
}

/// A job with the way back to its caller.
#[derive(Debug)]
pub(crate) struct OpenJob {
    pub(crate) id: JobId,
    pub(crate) job: NewJob,
    pub(crate) accepted: Time,
    /// When it was last given to a worker, and to which.
    pub(crate) assigned: Option<(Time, WorkerId)>,
    /// The attempt that this was, from 1.
    pub(crate) attempt: u32,
    /// Its worker takes no batches, and was sent nothing that it could run.
    pub(crate) was_withheld: bool,
    /// Process id of that worker, if the job's usage is reported.
    pub(crate) pid: Option<u32>,
    /// The input that its worker was sent, where failed jobs are saved.
    pub(crate) sent: Option<Box<Sent>>,
    pub(crate) outcome: oneshot::Sender<Finished>,
}

impl OpenJob {
    /// Creates a job that is accepted `now`.
    pub(crate) fn new(id: JobId, job: NewJob, now: Time, outcome: oneshot::Sender<Finished>) -> Self {
        Self {
            id,
            job,
            accepted: now,
            assigned: None,
            attempt: 0,
            was_withheld: false,
            pid: None,
            sent: None,
            outcome,
        }
    }

    /// Notes that the job is given to a worker.
    pub(super) fn given(&mut self, now: Time, worker: WorkerId, attempt: u32, slot: &WorkerSlot) {
        (self.assigned, self.attempt) = (Some((now, worker)), attempt);
        self.pid = self.job.reports_usage.then(|| slot.kill_switch.pid()).flatten();
    }

    /// Returns how the job's time was spent, if it ends `now`.
    pub(crate) fn timing(&self, now: Time) -> Timing {
        let assigned = self.assigned.map_or(now, |(at, _)| at);
        Timing::new(assigned.since(self.accepted), now.since(assigned))
    }

    /// Returns the limit that the job ran into.
    pub(crate) fn limit(&self, kind: procpool_scheduler::Limit) -> Duration {
        let limits = self.job.limits;
        let limit = match kind {
            procpool_scheduler::Limit::Total => limits.timeout,
            procpool_scheduler::Limit::Run => limits.run_timeout,
        };
        limit.unwrap_or_default()
    }

    /// Returns the outcome that a worker reports, corrected by earlier attempts. Bad input means that the job
    /// cannot have run, and a worker that died with all of it may well have begun to run it, being of another
    /// make.
    pub(crate) fn judge(&self, answer: Outcome) -> Outcome {
        if self.was_withheld {
            return Err(JobError::bad_input("the worker takes no batches").into());
        }
        answer.map_err(|mut error| {
            if let JobError::BadInput { message, .. } = &*error
                && self.attempt > 1
            {
                let message = format!(
                    "attempt {} found the input bad, and an earlier one died with it: {message}",
                    self.attempt
                );
                *error = JobError::Failed(Failure::new(message).with_code("bad_input"));
            }
            error
        })
    }

    /// Returns the outcome with all details for its caller.
    pub(crate) fn finish(
        self,
        now: Time,
        Told { result, mut report }: Told,
    ) -> (oneshot::Sender<Finished>, Finished) {
        let timing = self.timing(now);
        if self.job.reports_usage {
            let report = report.get_or_insert_default();
            (report.attempts, report.worker) = (Some(self.attempt), self.pid);
        }
        let mut finished = Finished::new(self.id, timing, result);
        finished.report = report;
        (self.outcome, finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad_input_at(attempt: u32) -> JobError {
        let job = NewJob { attempts: 2, ..NewJob::of(Payload::json("7")) };
        let entry = OpenJob::new(JobId::from_bits(1), job, Time::ZERO, oneshot::channel().0);
        let entry = OpenJob { attempt, ..entry };
        *entry.judge(Err(JobError::bad_input("not a u64").into())).expect_err("it is none")
    }

    #[test]
    fn bad_input_is_no_proof_that_an_earlier_attempt_has_not_run() {
        assert!(!bad_input_at(1).may_have_run());
        let error = bad_input_at(2);
        assert!(error.may_have_run());
        assert!(error.to_string().contains("not a u64"), "{error}");
    }
}
