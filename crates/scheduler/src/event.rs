//! The caller's events for the scheduler.

use std::time::Duration;

use crate::{Client, Fingerprint, Generation, JobId, WorkerId};

/// Something that happened, or that somebody wants.
///
/// Any event may come at any time. One that names a worker or a job that no longer exists is only
/// counted ([`Counters`](crate::Counters)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Open the pool: start the first `min_workers` workers, unless it is lazy.
    Start,
    /// A job is submitted. Answered by exactly one [`Refuse`](crate::Action::Refuse) or one
    /// [`Resolve`](crate::Action::Resolve).
    Submit {
        /// An id that no unresolved job has.
        job: JobId,
        /// Its limits.
        terms: Terms,
    },
    /// The answer to [`Identify`](crate::Action::Identify).
    Identified {
        /// The job.
        job: JobId,
        /// Its payload.
        fingerprint: Fingerprint,
    },
    /// Nobody wants the job any more.
    Cancel {
        /// The job.
        job: JobId,
    },
    /// The job's submitter has seen a part of its output, which cannot be taken back: the job is
    /// not retried.
    Committed {
        /// The job.
        job: JobId,
    },
    /// The worker's handshake is done: it can take a job.
    Ready {
        /// The worker.
        worker: WorkerId,
        /// Whether it can tell which job it has begun even if it dies. Then it may be sent jobs
        /// ahead of their turn.
        takes_ahead: bool,
    },
    /// The answer to [`Recall`](crate::Action::Recall).
    Recalled {
        /// The worker.
        worker: WorkerId,
        /// Number of unanswered jobs that it has begun and so keeps. It passes over the others,
        /// which came last.
        keeps: usize,
    },
    /// The other answer to [`Recall`](crate::Action::Recall): the worker has begun none of its
    /// jobs. They may be on their way to it, or it may get no processor. It keeps them.
    Unbegun {
        /// The worker.
        worker: WorkerId,
    },
    /// The worker has passed over a job that it was believed to have begun when it was recalled.
    PassedOver {
        /// The worker.
        worker: WorkerId,
        /// The job.
        job: JobId,
    },
    /// The worker answered.
    Done {
        /// The worker.
        worker: WorkerId,
        /// The answered job.
        job: JobId,
        /// The worker's state.
        health: Health,
    },
    /// The worker's process is gone, or never came up. Everything it had written has been reported before.
    Died {
        /// The worker.
        worker: WorkerId,
        /// Number of its unanswered jobs that it had begun, in the order of their assignment. The
        /// last of these is the one that it was running. Where it cannot tell, 1 if the kernel had
        /// accepted the first one's last byte. A number beyond its jobs counts as all of them.
        begun: usize,
        /// The cause, as far as its exit status tells.
        death: Death,
        /// The payload of the job that it was running, if that is known.
        fingerprint: Option<Fingerprint>,
    },
    /// The worker broke the protocol, or took too long over its handshake: its job ends as
    /// [`Protocol`](crate::Verdict::Protocol) and it is killed. Its death counts like one of its own doing.
    Violated {
        /// The worker.
        worker: WorkerId,
    },
    /// The worker is about to die, or cannot be reached any more: it gets no other job. The caller
    /// has to make sure that its death follows; a job that it holds ends with that.
    HungUp {
        /// The worker.
        worker: WorkerId,
    },
    /// The worker has been stopped from outside (SIGSTOP). One that has begun no job is killed and
    /// replaced. One that is amid a job is left to that job's deadline.
    Stalled {
        /// The worker.
        worker: WorkerId,
        /// Whether it has begun a job that it has not answered, as far as is known.
        has_begun: bool,
    },
    /// The worker has grown beyond what it may keep between jobs: it is replaced as soon as its replacement is ready.
    Outgrown {
        /// The worker.
        worker: WorkerId,
    },
    /// There is a new generation of the executable. Its first worker is tried; once that is ready, all others are replaced, one
    /// at a time. Of several that come while one is tried, the last wins.
    Reload {
        /// Its number, higher than any before.
        generation: Generation,
    },
    /// Changes the number of workers. Surplus ones go between two jobs.
    Resize {
        /// Minimum number of workers kept, even when there is nothing to do. Counts as `max` if it
        /// is higher.
        min: usize,
        /// Maximum number of workers in service. 0 counts as 1.
        max: usize,
    },
    /// An operator forgives a payload that has killed, or all payloads and clients: they are run again.
    Pardon {
        /// The payload, or `None` for all.
        payload: Option<Fingerprint>,
    },
    /// An operator forgives a client whose jobs have killed.
    PardonClient {
        /// The client.
        client: Client,
    },
    /// An operator wants the worker dead. Its job ends when the death arrives; the pool does not hold the death
    /// against its executable.
    Kill {
        /// The worker.
        worker: WorkerId,
    },
    /// [`poll_timeout`](crate::Scheduler::poll_timeout) is due. Early or needless ticks do nothing.
    Tick,
    /// Accept nothing more and finish what was accepted. A later drain can only bring the limit forward.
    Drain {
        /// Time after which everything left ends as [`ShutDown`](crate::Verdict::ShutDown) and all
        /// workers are killed. Without it, jobs without a timeout can hold the drain up for ever.
        limit: Option<Duration>,
    },
    /// Like a drain whose limit has been reached.
    Stop,
}

/// The state of a worker, as its answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// As good as before.
    Sound,
    /// Its state may be broken, for example by a panic that was caught. It gets no further jobs,
    /// and the pool starts a replacement at once.
    Suspect,
    /// It has used up what it may use, and can do no other job: treated the same.
    Spent,
}

/// The limits and the owner of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Maximum time for waiting and running together, from now.
    pub timeout: Option<Duration>,
    /// Maximum time for running alone, from the assignment.
    pub run_timeout: Option<Duration>,
    /// Maximum number of attempts, if the worker dies in each one: 1 unless the job may be
    /// repeated. 0 counts as 1.
    pub attempts: u32,
    /// Length of its payload, in bytes, which bounds the jobs that a worker holds ahead of their
    /// turn.
    pub bytes: usize,
    /// Its payload, if that is known. If it is needed and not known, the scheduler [asks for
    /// it](crate::Action::Identify). A job whose payload is known to be in quarantine ends at once
    /// instead of at its turn.
    pub fingerprint: Option<Fingerprint>,
    /// The client, if it is known.
    pub client: Option<Client>,
}

/// The cause of a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process's own: it exited, aborted, broke off, or could not be spawned.
    Own,
    /// A SIGKILL that this pool did not send. It says nothing about the executable, and nothing about the job.
    Killed,
    /// It reached its memory limit, and would again.
    OutOfMemory,
}
