//! What the caller tells the scheduler. Refuses to know how the caller came to know it.

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
    /// A job asks to be run. Answered by exactly one [`Refuse`](crate::Action::Refuse) or one
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
    /// What the job has let its submitter see cannot be taken back: it is not tried again.
    Committed {
        /// The job.
        job: JobId,
    },
    /// The worker's handshake is done: it can take a job.
    Ready {
        /// The worker.
        worker: WorkerId,
        /// Whether it can tell which job it has begun even if it dies: then it may be sent jobs ahead of their turn.
        takes_ahead: bool,
    },
    /// The answer to [`Recall`](crate::Action::Recall).
    Recalled {
        /// The worker.
        worker: WorkerId,
        /// How many of the jobs that it was given, and that are not reported as done, it has begun and so keeps. The others,
        /// which came last, it passes over.
        keeps: usize,
    },
    /// The other answer to [`Recall`](crate::Action::Recall): the worker has begun none of the jobs that it was given. They may
    /// be on their way to it, or it may get no processor; it keeps them.
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
        /// The job it answered.
        job: JobId,
        /// Whether the worker may go on.
        health: Health,
    },
    /// The worker's process is gone, or never came up. Everything it had written has been reported before.
    Died {
        /// The worker.
        worker: WorkerId,
        /// How many of the jobs that it was given and has not answered it had begun, in the order in which they were
        /// assigned; the last of these is the one that it was running. Where it cannot tell, 1 if the kernel had accepted
        /// the first one's last byte. More than it held count as all of them.
        begun: usize,
        /// Whose doing it was, as far as its end tells.
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
    /// The worker is about to die, or cannot be reached any more: it gets no other job. The caller sees to it that its
    /// death follows; a job that it has ends with that.
    HungUp {
        /// The worker.
        worker: WorkerId,
    },
    /// The worker has been stopped from outside (SIGSTOP): one that has begun no job is killed and replaced, one that is
    /// amid a job is left to that job's deadline.
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
    /// There shall be another number of workers from now on. Those that are too many go between two jobs.
    Resize {
        /// Workers kept even when there is nothing to do; counts as `max` if it is higher.
        min: usize,
        /// Workers in service at most. 0 counts as 1.
        max: usize,
    },
    /// An operator forgives a payload that has killed, or all payloads and clients: they are run again.
    Pardon {
        /// The one; `None` for all.
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
        /// After this long everything left ends as [`ShutDown`](crate::Verdict::ShutDown) and all workers are
        /// killed. Without it, jobs without a timeout can hold the drain up for ever.
        limit: Option<Duration>,
    },
    /// Like a drain whose limit has been reached.
    Stop,
}

/// What an answer says about the worker that gave it.
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

/// What a job asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// For waiting and running together, from now.
    pub timeout: Option<Duration>,
    /// For running alone, from the assignment.
    pub run_timeout: Option<Duration>,
    /// How often it may be handed to a worker at most, if each one dies with it: 1 unless it may be repeated.
    /// 0 counts as 1.
    pub attempts: u32,
    /// Length of its payload, in bytes: how much of it a worker may have ahead of its turn is bounded.
    pub bytes: usize,
    /// Its payload, if that is known. It need not be: should it matter, it is [asked for](crate::Action::Identify). A job
    /// whose payload is known to be in quarantine ends at once rather than when its turn comes.
    pub fingerprint: Option<Fingerprint>,
    /// Who wants it done, if that is known.
    pub client: Option<Client>,
}

/// Whose doing a death was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process's own: it exited, aborted, broke off, or could not be spawned.
    Own,
    /// A SIGKILL that this pool did not send. It says nothing about the executable, and nothing about the job.
    Killed,
    /// It ran into its memory limit, and would again.
    OutOfMemory,
}
