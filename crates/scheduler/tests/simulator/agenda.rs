//! The coming events, in order of virtual time. Does not: know their meaning.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use procpool_scheduler::{Death, Generation, Health, JobId, Time, WorkerId};

/// An event that happens to the pool or in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happening {
    Submit,
    Cancel(JobId),
    /// The alarm for the scheduler's next timeout. Only the alarm set last rings.
    Tick(u64),
    Ready(WorkerId),
    /// The pool asks a worker to give back the jobs that it has not begun.
    Recall(WorkerId),
    /// The worker has given them back.
    Recalled(WorkerId),
    /// The worker passes over a job that it was about to begin.
    PassedOver(WorkerId),
    /// The caller reports a payload that the scheduler asked for.
    Identify(JobId),
    Answer {
        worker: WorkerId,
        job: JobId,
        panics: bool,
    },
    /// A process ends, if it has not ended before. If `job` caused the end, the process ends only
    /// with that job.
    Die {
        worker: WorkerId,
        job: Option<JobId>,
        handed_over: bool,
        death: How,
        /// Whether it had written its answer before, so that the answer is read along with the
        /// death.
        answered: bool,
    },
    /// The coordinator notices that a process is dead.
    Bury {
        worker: WorkerId,
        /// The job that it held when it died.
        job: Option<JobId>,
        handed_over: bool,
        death: How,
    },
    /// A job shows output that cannot be taken back to its submitter.
    Commit {
        worker: WorkerId,
        job: JobId,
    },
    /// The coordinator gets no CPU time for a while. Afterwards it handles the events of that time,
    /// and then ticks.
    HoldUp,
    /// A fault or a request from outside.
    Outside,
    Reload,
    /// An operator changes the number of workers.
    Resize {
        min: usize,
        max: usize,
    },
    /// An operator changes other settings, drawn from this number.
    Reconfigure(u64),
    /// An operator retires a worker.
    Retire,
    /// An operator stops the assignment of jobs or their acceptance, or goes on with both.
    Pause,
    Close,
    Resume,
    Drain,
}

/// [`Death`], with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    Own,
    HungUp,
    Killed,
    OutOfMemory,
}

impl From<How> for Death {
    fn from(how: How) -> Self {
        match how {
            How::Own => Self::Own,
            How::HungUp => Self::HungUp,
            How::Killed => Self::Killed,
            How::OutOfMemory => Self::OutOfMemory,
        }
    }
}

pub(crate) fn health(panics: bool) -> Health {
    if panics { Health::Suspect } else { Health::Sound }
}

/// How a new generation of the executable behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    Good,
    DiesAtStart,
    NeverReady,
}

/// The existing generations, by their numbers.
#[derive(Debug)]
pub(crate) struct Makes(pub(crate) Vec<Make>);

impl Makes {
    pub(crate) fn of(&self, generation: Generation) -> Make {
        usize::try_from(generation.0).ok().and_then(|index| self.0.get(index).copied()).unwrap_or(Make::Good)
    }
}

/// Events at one instant happen in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(Time, u64, Happening)>>,
    serial: u64,
}

impl Agenda {
    pub(crate) fn put(&mut self, at: Time, happening: Happening) {
        self.serial += 1;
        self.heap.push(Reverse((at, self.serial, happening)));
    }

    pub(crate) fn next(&mut self) -> Option<(Time, Happening)> {
        self.heap.pop().map(|Reverse((at, _, happening))| (at, happening))
    }
}
