//! The orders that the scheduler gives to its caller. Does not: carry them out. The caller owns
//! processes, sockets and reply channels.

use std::time::Duration;

use crate::{Generation, JobId, WorkerId};

/// One order for the caller. Carry out actions in the order in which
/// [`poll_action`](crate::Scheduler::poll_action) returns them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell the submitter that the job was never accepted. It gets no [`Resolve`](Self::Resolve).
    Refuse {
        /// The job.
        job: JobId,
        /// Why the pool refuses it.
        reason: Refusal,
    },
    /// Spawn a process and register it under this new id. Report a failed spawn as
    /// [`Died`](crate::Event::Died).
    Start {
        /// The new worker.
        worker: WorkerId,
        /// The generation of its executable.
        generation: Generation,
    },
    /// Report the job's payload by [`Identified`](crate::Event::Identified): a payload has killed a
    /// worker, and this may be the same one. The job, all later jobs and the idle workers wait for
    /// the answer.
    Identify {
        /// The job, which the pool assigns next.
        job: JobId,
    },
    /// Send the job to the worker, which is ready. The worker has no job, or it [takes jobs
    /// ahead](crate::Event::Ready). It runs several jobs one after the other, in the order of their
    /// assignment.
    Assign {
        /// The worker.
        worker: WorkerId,
        /// The job.
        job: JobId,
        /// 1 for the first attempt.
        attempt: u32,
        /// Maximum run time: the time until the deadline or the `run_timeout`, whichever is
        /// shorter.
        remaining: Option<Duration>,
    },
    /// Tell the worker to pass over all jobs that it has not begun. Report the number of jobs that
    /// it keeps by [`Recalled`](crate::Event::Recalled). If it has not begun its first job, leave
    /// it alone and report [`Unbegun`](crate::Event::Unbegun).
    Recall {
        /// The worker.
        worker: WorkerId,
    },
    /// Set the worker's cancel flag for this job, which is already resolved. The worker may still
    /// answer within the grace. If the job was assigned ahead and has not begun, the worker answers
    /// without running it.
    Cancel {
        /// The worker.
        worker: WorkerId,
        /// The job to give up.
        job: JobId,
    },
    /// Send SIGKILL to the worker's process group, at most once per worker. The worker gets no job
    /// after this, so a late kill affects no other job. If the caller omits the kill, the pool
    /// never replaces the worker.
    Kill {
        /// The worker.
        worker: WorkerId,
        /// The job that it may be running.
        job: Option<JobId>,
    },
    /// Ask the worker to exit. The worker has no job and gets none.
    Retire {
        /// The worker.
        worker: WorkerId,
    },
    /// Tell the submitter how the job ended. Each accepted job gets exactly one `Resolve`.
    Resolve {
        /// The job.
        job: JobId,
        /// How it ended.
        verdict: Verdict,
    },
    /// Report the result of a reload to its requester. Each reload gets exactly one `Reloaded`.
    Reloaded {
        /// The generation that the reload requested.
        generation: Generation,
        /// The result.
        end: ReloadEnd,
    },
    /// A drain or a stop is complete: no job and no worker is left. Comes once, as the last action
    /// except for refusals of jobs and reloads.
    Drained,
}

/// Why the pool refuses a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The breaker is open and no worker is available. The pool starts no worker before `retry` has
    /// passed, and then only one on trial.
    BreakerOpen {
        /// Time until the next attempt.
        retry: Duration,
    },
    /// No worker is idle and the queue is full. Or the job's payload has killed a worker, and the
    /// maximum number of jobs already waits for a worker that has run no job.
    QueueFull,
    /// This job would exceed the maximum number of waiting bytes, in the queue or aside. A job that
    /// would be the only one waiting is never refused for this.
    QueueBytesFull {
        /// Number of bytes that wait there.
        waiting: usize,
    },
    /// The client's jobs have recently killed too many workers.
    Client {
        /// Number of these deaths.
        deaths: u32,
        /// Time until the pool forgets these deaths.
        retry: Duration,
    },
    /// The job would not end before its deadline, if it runs as long as others did.
    Unreachable {
        /// Minimum time until it would end.
        predicted: Duration,
        /// Time after which such a job may be accepted. Drawn at random from a range, so that submitters do not come
        /// back together.
        retry: Duration,
    },
    /// An operator has [closed](crate::Event::Close) the pool.
    Closed,
    /// The pool is draining or has stopped.
    ShuttingDown,
    /// A job with this id is waiting or running. That job continues; only the second submission is
    /// refused.
    DuplicateId,
}

/// How an accepted job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A worker answered. The answer came with [`Done`](crate::Event::Done).
    Finished,
    /// Its worker died.
    Crashed {
        /// Whether a worker had received the whole job, so that it may have run. `false` only if
        /// several workers in a row died while they received the job, and no earlier attempt was
        /// handed over.
        handed_over: bool,
        /// Number of workers that this payload has recently killed, including this one if the
        /// payload killed it.
        payload_deaths: u32,
        /// Remaining time of the payload's quarantine, if it has killed enough workers. The pool
        /// then does not retry the job, even if it has attempts left.
        quarantined: Option<Duration>,
    },
    /// Its payload is in quarantine because it has killed enough workers. The pool does not run the
    /// job, and runs no job with this payload until `remaining` has passed.
    Poisoned {
        /// Where the job was: [`Stage::Running`] if an earlier attempt had been handed over.
        stage: Stage,
        /// Number of workers that the payload has killed.
        payload_deaths: u32,
        /// Remaining time of the quarantine.
        remaining: Duration,
    },
    /// Other jobs of its client killed too many workers while this job waited. No worker has run
    /// it, so this is equivalent to a [refusal](Refusal::Client).
    GivenBack {
        /// Number of these deaths.
        client_deaths: u32,
        /// Time until the pool forgets these deaths.
        retry: Duration,
    },
    /// Its turn has come, and it would not end before its deadline if it runs as long as others did. Others wait. No
    /// worker has run it, so this is equivalent to a [refusal](Refusal::Unreachable).
    Unreachable {
        /// Minimum time that it needs.
        predicted: Duration,
        /// As in the refusal.
        retry: Duration,
    },
    /// Its worker broke the protocol.
    Protocol,
    /// It exceeded a time limit.
    TimedOut {
        /// Where the job was.
        stage: Stage,
        /// The limit that it exceeded.
        limit: Limit,
    },
    /// It was cancelled.
    Cancelled {
        /// Where the job was.
        stage: Stage,
    },
    /// The pool was stopped, or its drain reached the time limit.
    ShutDown {
        /// Where the job was.
        stage: Stage,
    },
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The job waited. No worker has ever received all of it.
    Queued,
    /// A worker had the job, or the job waits for another attempt after a worker had it.
    Running,
}

/// The two time limits of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `timeout`: waiting and running together.
    Total,
    /// `run_timeout`: running only.
    Run,
}

/// The result of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadEnd {
    /// No worker of an older generation is in service.
    Done,
    /// The first worker of the generation did not become ready. The previous generation stays in
    /// service.
    CanaryDied,
    /// A later reload replaced it.
    Superseded,
    /// The pool shut down before the reload was complete.
    ShutDown,
}
