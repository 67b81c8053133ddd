//! The coming events, in order of virtual time. Knows no meaning of any.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use procpool_scheduler::{Death, Generation, Health, JobId, Time, WorkerId};

/// Something that happens to the pool or in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happening {
    Submit,
    Cancel(JobId),
    /// The alarm that was set for the scheduler's next timeout. Only the one that was set last rings.
    Tick(u64),
    Ready(WorkerId),
    /// A worker is asked to give back the jobs that it has not begun.
    Recall(WorkerId),
    /// It has done so.
    Recalled(WorkerId),
    /// It passes over a job that it was about to begin.
    PassedOver(WorkerId),
    /// A payload is reported that was asked for.
    Identify(JobId),
    Answer {
        worker: WorkerId,
        job: JobId,
        panics: bool,
    },
    /// A process ends, if it has not ended before; with that job, where it is one job's doing.
    Die {
        worker: WorkerId,
        job: Option<JobId>,
        handed_over: bool,
        death: How,
        /// Whether its answer had been written before, and is read along with the death.
        answered: bool,
    },
    /// Somebody notices that a process is dead.
    Bury {
        worker: WorkerId,
        /// The job that it had when it died.
        job: Option<JobId>,
        handed_over: bool,
        death: How,
    },
    /// A job lets its caller see something that cannot be taken back.
    Commit {
        worker: WorkerId,
        job: JobId,
    },
    /// The coordinator gets no processor for a while. It handles the events of that time afterwards, and then
    /// ticks.
    HoldUp,
    /// Something from outside.
    Outside,
    Reload,
    /// Somebody wants another number of workers.
    Resize {
        min: usize,
        max: usize,
    },
    Drain,
}

/// [`Death`], in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    Own,
    Killed,
    OutOfMemory,
}

impl From<How> for Death {
    fn from(how: How) -> Self {
        match how {
            How::Own => Self::Own,
            How::Killed => Self::Killed,
            How::OutOfMemory => Self::OutOfMemory,
        }
    }
}

pub(crate) fn health(panics: bool) -> Health {
    if panics { Health::Suspect } else { Health::Sound }
}

/// How a new generation of the executable fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    Good,
    DiesAtStart,
    NeverReady,
}

/// The generations that there are, by their numbers.
#[derive(Debug)]
pub(crate) struct Makes(pub(crate) Vec<Make>);

impl Makes {
    pub(crate) fn of(&self, generation: Generation) -> Make {
        usize::try_from(generation.0).ok().and_then(|index| self.0.get(index).copied()).unwrap_or(Make::Good)
    }
}

/// Things that happen at one instant happen in the order in which they were put down.
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
