//! The phases of one worker.

use crate::{Cause, Death, JobId};

/// The state of a worker, for a status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// Its process is starting.
    Starting,
    /// It is ready and has no job.
    Idle,
    /// It runs a job.
    Busy,
    /// It was asked to give up a job that is already resolved, or it was killed. In both cases it
    /// gets no job until it has answered or died.
    Stopping,
    /// It is out of service and was asked to exit.
    Retiring,
}

/// The phase of a worker, for the scheduler. The job table knows whether its job is still
/// unresolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Idle,
    Busy(JobId),
    /// The worker was asked to give up a job that is already resolved. It may answer within the
    /// grace.
    Stopping {
        job: JobId,
        /// The cause of the kill if it does not answer.
        cause: Cause,
    },
    /// The worker was killed. It keeps its place in the pool until its death arrives.
    Killed {
        job: Option<JobId>,
        /// `None` if the pool did not kill it: it closed its connection and is about to die.
        cause: Option<Cause>,
    },
    /// The worker was asked to exit and no longer counts towards the pool's strength.
    Retiring {
        killed: bool,
        cause: Cause,
    },
}

impl Phase {
    /// Returns the job that the worker has and has not answered.
    pub(crate) const fn job(self) -> Option<JobId> {
        match self {
            Self::Busy(job) | Self::Stopping { job, .. } => Some(job),
            Self::Killed { job, .. } => job,
            Self::Starting | Self::Idle | Self::Retiring { .. } => None,
        }
    }

    /// Returns whether the worker accepts orders about jobs: it is ready, and the pool has neither
    /// killed nor retired it.
    pub(crate) const fn is_in_service(self) -> bool {
        matches!(self, Self::Idle | Self::Busy(_) | Self::Stopping { .. })
    }

    /// Returns whether the worker is out of service.
    pub(crate) const fn is_retiring(self) -> bool {
        matches!(self, Self::Retiring { .. })
    }

    /// Returns whether the worker's death would follow from an order and not from the worker
    /// itself. A kill for a protocol violation does not count as an order.
    pub(crate) const fn is_asked_to_go(self) -> bool {
        match self {
            Self::Stopping { .. } | Self::Retiring { .. } => true,
            Self::Killed { cause, .. } => !matches!(cause, None | Some(Cause::Protocol)),
            Self::Starting | Self::Idle | Self::Busy(_) => false,
        }
    }

    /// Returns why the pool killed the worker or asked it to exit, if it did.
    pub(crate) const fn reason(self) -> Option<Cause> {
        match self {
            Self::Killed { cause, .. } => cause,
            Self::Retiring { cause, .. } => Some(cause),
            Self::Starting | Self::Idle | Self::Busy(_) | Self::Stopping { .. } => None,
        }
    }

    /// Returns why the worker is gone, from the way it died and whether it had ever been ready.
    pub(crate) fn cause_of(self, death: Death, was_ready: bool) -> Cause {
        self.reason().unwrap_or(match death {
            _ if !was_ready => Cause::Start,
            Death::Own => Cause::Crashed,
            Death::HungUp => Cause::HungUp,
            Death::Killed => Cause::Killed,
            Death::OutOfMemory => Cause::OutOfMemory,
        })
    }

    /// Returns the state for a status page.
    pub(crate) const fn state(self) -> WorkerState {
        match self {
            Self::Starting => WorkerState::Starting,
            Self::Idle => WorkerState::Idle,
            Self::Busy(_) => WorkerState::Busy,
            Self::Stopping { .. } | Self::Killed { .. } => WorkerState::Stopping,
            Self::Retiring { .. } => WorkerState::Retiring,
        }
    }
}
