//! The phases of one worker.

use crate::{Cause, Death, JobId};

/// The state of a worker, as a status page shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// Its process is on its way up.
    Starting,
    /// Ready, and without a job.
    Idle,
    /// Running a job.
    Busy,
    /// Its job was resolved without it and it has been asked to give up, or it has been killed.
    /// Either way it gets no job until it has answered or died.
    Stopping,
    /// Out of service and asked to exit.
    Retiring,
}

/// The phase of a worker, as the scheduler needs it. The job table knows whether the job is still
/// unresolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Idle,
    Busy(JobId),
    /// Asked to give up a job that was resolved without it; it may answer within the grace.
    Stopping {
        job: JobId,
        /// The cause for which it is killed if it does not.
        cause: Cause,
    },
    /// SIGKILL is on its way. It keeps its place in the pool until its death arrives.
    Killed {
        job: Option<JobId>,
        /// `None`: nobody asked for it. It closed its connection, and is about to die.
        cause: Option<Cause>,
    },
    /// Asked to exit; it no longer counts for the pool's strength.
    Retiring {
        killed: bool,
        cause: Cause,
    },
}

impl Phase {
    /// Returns the job that it was given and has not answered.
    pub(crate) const fn job(self) -> Option<JobId> {
        match self {
            Self::Busy(job) | Self::Stopping { job, .. } => Some(job),
            Self::Killed { job, .. } => job,
            Self::Starting | Self::Idle | Self::Retiring { .. } => None,
        }
    }

    /// Returns whether it takes orders about its jobs: nobody wants it dead or gone.
    pub(crate) const fn is_in_service(self) -> bool {
        matches!(self, Self::Idle | Self::Busy(_) | Self::Stopping { .. })
    }

    /// Returns whether it is out of service.
    pub(crate) const fn is_retiring(self) -> bool {
        matches!(self, Self::Retiring { .. })
    }

    /// Returns whether its death would be somebody's wish rather than its own doing.
    pub(crate) const fn is_asked_to_go(self) -> bool {
        match self {
            Self::Stopping { .. } | Self::Retiring { .. } => true,
            Self::Killed { cause, .. } => !matches!(cause, None | Some(Cause::Protocol)),
            Self::Starting | Self::Idle | Self::Busy(_) => false,
        }
    }

    /// Returns why the pool killed it or asked it to exit, if it did.
    pub(crate) const fn reason(self) -> Option<Cause> {
        match self {
            Self::Killed { cause, .. } => cause,
            Self::Retiring { cause, .. } => Some(cause),
            Self::Starting | Self::Idle | Self::Busy(_) | Self::Stopping { .. } => None,
        }
    }

    /// Returns why it is gone, given how it ended and whether it had ever been ready.
    pub(crate) fn cause_of(self, death: Death, was_ready: bool) -> Cause {
        self.reason().unwrap_or(match death {
            _ if !was_ready => Cause::Start,
            Death::Own => Cause::Crashed,
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
