//! The events that the caller reports to the scheduler.

use std::time::Duration;

use crate::{Client, Fingerprint, Generation, JobId, Priority, Settings, Tenant, WorkerId};

/// Something that happened, or a request.
///
/// Any event may come at any time. An event about a worker or a job that no longer exists is only
/// counted in [`Counters`](crate::Counters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Opens the pool. Starts the first `min_workers` workers unless the pool is lazy.
    Start,
    /// A job is submitted. The scheduler answers with exactly one [`Refuse`](crate::Action::Refuse)
    /// or one [`Resolve`](crate::Action::Resolve).
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
    /// The submitter no longer wants the job.
    Cancel {
        /// The job.
        job: JobId,
    },
    /// The submitter has seen part of the job's output. The output cannot be taken back, so the
    /// pool does not retry the job.
    Committed {
        /// The job.
        job: JobId,
    },
    /// The worker has finished its handshake and can take a job.
    Ready {
        /// The worker.
        worker: WorkerId,
        /// Whether the worker can report which job it has begun, even if it dies. The pool sends
        /// jobs ahead of their turn only to such workers.
        takes_ahead: bool,
    },
    /// The answer to [`Recall`](crate::Action::Recall).
    Recalled {
        /// The worker.
        worker: WorkerId,
        /// Number of unanswered jobs that the worker has begun and therefore keeps. It passes over
        /// the others, which were assigned last.
        keeps: usize,
    },
    /// The other answer to [`Recall`](crate::Action::Recall): the worker has begun none of its jobs
    /// and keeps them. The jobs may still be in transit, or the worker may not get CPU time.
    Unbegun {
        /// The worker.
        worker: WorkerId,
    },
    /// The worker has passed over a job that [`Recalled`](Self::Recalled) had counted as begun.
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
    /// The worker's process is gone, or never started. The caller has already reported everything
    /// that the worker had written.
    Died {
        /// The worker.
        worker: WorkerId,
        /// Number of unanswered jobs that the worker had begun, in the order of their assignment.
        /// The worker was running the last of these. If it cannot report this, the number is 1 if
        /// the kernel had accepted the first job's last byte. A number above its number of jobs
        /// counts as all of them.
        begun: usize,
        /// The cause, as far as the exit status shows it.
        death: Death,
        /// The payload of the job that the worker was running, if known.
        fingerprint: Option<Fingerprint>,
    },
    /// The worker broke the protocol, or exceeded the time for its handshake. Its job ends as
    /// [`Protocol`](crate::Verdict::Protocol), and the pool kills the worker. Its death counts as
    /// its own.
    Violated {
        /// The worker.
        worker: WorkerId,
    },
    /// The worker is about to die, or can no longer be reached. It gets no other job. The caller
    /// must ensure that its death follows, because a job that the worker holds ends with that
    /// death.
    HungUp {
        /// The worker.
        worker: WorkerId,
    },
    /// The worker has been stopped from outside (SIGSTOP). The pool kills and replaces it if it has
    /// begun no job. Otherwise it leaves the worker to the deadline of its job.
    Stalled {
        /// The worker.
        worker: WorkerId,
        /// Whether the worker is known to have begun a job that it has not answered.
        has_begun: bool,
    },
    /// The worker has grown beyond its limit between jobs. The pool replaces it as soon as a
    /// replacement is ready.
    Outgrown {
        /// The worker.
        worker: WorkerId,
    },
    /// A new generation of the executable is available. The pool tries its first worker. Once that
    /// worker is ready, the pool replaces all others, one at a time. Of several reloads during a
    /// trial, only the last takes effect.
    Reload {
        /// Its number, higher than any earlier one.
        generation: Generation,
    },
    /// Changes the number of workers. Surplus workers exit between two jobs.
    Resize {
        /// Minimum number of workers that the pool keeps without jobs. Limited to `max`.
        min: usize,
        /// Maximum number of workers in service. 0 counts as 1.
        max: usize,
    },
    /// Changes settings that may change while the pool runs. Jobs and workers that are there stay: a
    /// smaller queue refuses jobs until it has emptied. A grace or a stop timeout that has begun keeps its
    /// length.
    Reconfigure {
        /// All of them.
        settings: Settings,
    },
    /// Assigns no further job until [`Resume`](Self::Resume), [`Close`](Self::Close) or a drain. Jobs that
    /// workers hold run on, others wait in the queue, and their deadlines hold.
    Pause,
    /// Refuses every further job until [`Resume`](Self::Resume) or [`Pause`](Self::Pause). Accepted jobs
    /// run, and workers stay.
    Close,
    /// Accepts and assigns jobs again.
    Resume,
    /// An operator pardons a payload that has killed, or all payloads and clients. The pool runs
    /// them again.
    Pardon {
        /// The payload, or `None` for all.
        payload: Option<Fingerprint>,
    },
    /// An operator pardons a client whose jobs have killed workers.
    PardonClient {
        /// The client.
        client: Client,
    },
    /// An operator retires the worker. It gets no further job, and retires after those that it holds. Its
    /// replacement starts at once. A worker that is starting is killed.
    Retire {
        /// The worker.
        worker: WorkerId,
    },
    /// An operator kills the worker. Its job ends when the death arrives. The pool does not count
    /// the death against the executable.
    Kill {
        /// The worker.
        worker: WorkerId,
    },
    /// The time of [`poll_timeout`](crate::Scheduler::poll_timeout) has come. Early or unnecessary
    /// ticks have no effect.
    Tick,
    /// Stops accepting jobs and finishes the accepted ones. A later drain can only bring the limit
    /// forward.
    Drain {
        /// Time after which the pool ends every remaining job as
        /// [`ShutDown`](crate::Verdict::ShutDown) and kills all workers. Without it, jobs without a
        /// timeout can delay the drain forever.
        limit: Option<Duration>,
    },
    /// Ends the pool at once, like a drain whose limit has been reached.
    Stop,
}

/// The state of a worker, as reported with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Its state is as good as before.
    Sound,
    /// Its state may be broken, for example by a caught panic. It gets no further jobs, and the
    /// pool starts a replacement at once.
    Suspect,
    /// It has used up its resources and cannot run another job. The pool replaces it in the same
    /// way.
    Spent,
}

/// The limits and the owner of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Maximum time for waiting and running together, from now.
    pub timeout: Option<Duration>,
    /// Maximum time for running alone, from the assignment.
    pub run_timeout: Option<Duration>,
    /// Maximum number of attempts if the worker dies in each one. 1 unless the job may be repeated.
    /// 0 counts as 1.
    pub attempts: u32,
    /// Length of its payload in bytes. It limits the jobs that a worker holds ahead of their turn.
    pub bytes: usize,
    /// Its payload, if known. If the scheduler needs an unknown payload, it [asks for
    /// it](crate::Action::Identify). A job whose payload is known to be in quarantine ends at once
    /// instead of at its turn.
    pub fingerprint: Option<Fingerprint>,
    /// The client, if known.
    pub client: Option<Client>,
    /// Its rank among the waiting jobs.
    pub priority: Priority,
    /// The tenant, who gets turns of its own. All jobs without a tenant share turns.
    pub tenant: Option<Tenant>,
}

/// The cause of a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process ended by itself: it exited, aborted, closed its connection, or could not be
    /// spawned.
    Own,
    /// The process closed its connection and lived on, so that its caller killed it.
    HungUp,
    /// A SIGKILL that this pool did not send. It says nothing about the executable or the job.
    Killed,
    /// The process reached its memory limit. The same job would reach it again.
    OutOfMemory,
}
