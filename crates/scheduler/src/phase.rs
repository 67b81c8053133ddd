//! What one worker is doing. Refuses to know how it comes to do something else.

use crate::JobId;

/// What a worker is doing, as a status page would say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// Its process is on its way up.
    Starting,
    /// Ready, and without a job.
    Idle,
    /// Running a job.
    Busy,
    /// Its job was resolved without it and it has been asked to give up, or it has been killed; either way it gets
    /// no job until it has answered or died.
    Stopping,
    /// Out of service and asked to exit.
    Retiring,
}

/// What a worker is doing, as the scheduler needs to know it. Whether the job is still to be resolved is the job
/// table's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Idle,
    Busy(JobId),
    /// Asked to give up a job that was resolved without it; it may answer within the grace.
    Stopping(JobId),
    /// SIGKILL is on its way. It keeps its place in the pool until its death arrives.
    Killed {
        job: Option<JobId>,
        cause: Cause,
    },
    /// Asked to exit; it does not count for the pool's strength any more.
    Retiring {
        killed: bool,
    },
}

/// Why a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody wants it gone; its executable may be as good as any.
    Asked,
    /// It broke the protocol.
    Violation,
    /// It closed its connection, and is about to die.
    HungUp,
}

impl Phase {
    /// The job that it was given and has not answered.
    pub(crate) const fn job(self) -> Option<JobId> {
        match self {
            Self::Busy(job) | Self::Stopping(job) => Some(job),
            Self::Killed { job, .. } => job,
            Self::Starting | Self::Idle | Self::Retiring { .. } => None,
        }
    }

    /// Whether it takes orders about its jobs: nobody wants it dead or gone.
    pub(crate) const fn is_in_service(self) -> bool {
        matches!(self, Self::Idle | Self::Busy(_) | Self::Stopping(_))
    }

    /// Whether its death would be somebody's wish rather than its own doing.
    pub(crate) const fn is_asked_to_go(self) -> bool {
        match self {
            Self::Stopping(_) | Self::Retiring { .. } | Self::Killed { cause: Cause::Asked, .. } => true,
            Self::Starting | Self::Idle | Self::Busy(_) | Self::Killed { .. } => false,
        }
    }

    /// The same for a status page.
    pub(crate) const fn state(self) -> WorkerState {
        match self {
            Self::Starting => WorkerState::Starting,
            Self::Idle => WorkerState::Idle,
            Self::Busy(_) => WorkerState::Busy,
            Self::Stopping(_) | Self::Killed { .. } => WorkerState::Stopping,
            Self::Retiring { .. } => WorkerState::Retiring,
        }
    }
}
