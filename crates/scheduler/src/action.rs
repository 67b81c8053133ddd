//! The scheduler's orders. Does not: carry them out; processes, sockets and reply channels are the
//! caller's.

use std::time::Duration;

use crate::{Generation, JobId, WorkerId};

/// One thing for the caller to do. Carry them out in the order in which
/// [`poll_action`](crate::Scheduler::poll_action) returns them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell the submitter that the job was never accepted. It gets no [`Resolve`](Self::Resolve).
    Refuse {
        /// The job.
        job: JobId,
        /// Why not.
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
    /// Say what the job's payload is, by [`Identified`](crate::Event::Identified): some payload has
    /// killed a worker, and this may be it. The job waits for the answer. So do all later jobs, and
    /// the idle workers.
    Identify {
        /// The job, which is the next to be assigned.
        job: JobId,
    },
    /// Send the job to the worker, which is ready and has none, or [takes jobs ahead](crate::Event::Ready). Of several
    /// it runs one after the other, in the order in which they were assigned.
    Assign {
        /// The worker.
        worker: WorkerId,
        /// The job.
        job: JobId,
        /// 1 for the first attempt.
        attempt: u32,
        /// Maximum run time: until its deadline or for its `run_timeout`, whichever ends first.
        remaining: Option<Duration>,
    },
    /// Have the worker pass over all jobs that it has not begun, and say how many it keeps, by
    /// [`Recalled`](crate::Event::Recalled). If it has not even begun the first, leave it alone and say so, by
    /// [`Unbegun`](crate::Event::Unbegun).
    Recall {
        /// The worker.
        worker: WorkerId,
    },
    /// Set the worker's flag for this job, which has been resolved already. It may answer within
    /// the grace. The worker answers a job that was assigned ahead and has not begun without
    /// running it.
    Cancel {
        /// The worker.
        worker: WorkerId,
        /// The job to give up.
        job: JobId,
    },
    /// SIGKILL to the worker's process group, at most once per worker. The worker has received its
    /// last job, so a late kill hits nobody else. If the kill is left out, the worker is never
    /// replaced.
    Kill {
        /// The worker.
        worker: WorkerId,
        /// The job that it may be running.
        job: Option<JobId>,
    },
    /// Ask the worker to exit. It has no job and gets none.
    Retire {
        /// The worker.
        worker: WorkerId,
    },
    /// Tell the submitter how the job ended: exactly once for every job that was not refused.
    Resolve {
        /// The job.
        job: JobId,
        /// How it ended.
        verdict: Verdict,
    },
    /// Tell the requester of a reload its result: exactly once for each reload.
    Reloaded {
        /// The generation that the reload wanted.
        generation: Generation,
        /// The result.
        end: ReloadEnd,
    },
    /// No job and no worker is left after a drain or a stop. Comes once, as the last action but for refusals of jobs
    /// and reloads.
    Drained,
}

/// Why a job was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No worker is there. The pool starts none before the time is over, and then only one on
    /// trial.
    BreakerOpen {
        /// Time until the next attempt.
        retry: Duration,
    },
    /// No worker is idle and the queue is full. Or the job's payload has killed, and the maximum
    /// number of jobs already waits for a worker that has run nothing.
    QueueFull,
    /// This job would exceed the maximum number of waiting bytes, in the queue or aside, and it
    /// would not be the only one.
    QueueBytesFull {
        /// Bytes that wait there.
        waiting: usize,
    },
    /// Jobs of its client have killed too many workers lately.
    Client {
        /// Number of these deaths.
        deaths: u32,
        /// Time until the pool forgets these deaths.
        retry: Duration,
    },
    /// The pool drains or has stopped.
    ShuttingDown,
    /// A job of this id is waiting or running. That job goes on: the refusal is the second submitter's.
    DuplicateId,
}

/// How an accepted job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A worker answered; the answer came with [`Done`](crate::Event::Done).
    Finished,
    /// Its worker died.
    Crashed {
        /// Whether a worker had got all of the job, so that it may have run. `false` only after several workers in
        /// a row died while the job was on its way to them, and none before them.
        handed_over: bool,
        /// Number of workers that this payload has killed lately, this one among them if the
        /// payload killed it.
        payload_deaths: u32,
        /// How long the payload stays in quarantine, if it has killed enough workers. Then the job
        /// is not retried, however many attempts it has left.
        quarantined: Option<Duration>,
    },
    /// Its payload has killed enough workers to be in quarantine: the job is not run this time, nor
    /// for a while.
    Poisoned {
        /// Where it was: [`Stage::Running`] if an earlier attempt had been handed over.
        stage: Stage,
        /// Number of workers that the payload has killed.
        payload_deaths: u32,
        /// Remaining time of the quarantine.
        remaining: Duration,
    },
    /// It waited, and nobody has run it, when other jobs of its client had killed too many workers. It is as if it had
    /// been [refused](Refusal::Client).
    GivenBack {
        /// Number of these deaths.
        client_deaths: u32,
        /// Time until the pool forgets these deaths.
        retry: Duration,
    },
    /// Its worker broke the protocol.
    Protocol,
    /// It ran out of time.
    TimedOut {
        /// Where it was.
        stage: Stage,
        /// Which of its limits it was.
        limit: Limit,
    },
    /// Nobody wanted it any more.
    Cancelled {
        /// Where it was.
        stage: Stage,
    },
    /// The pool was stopped, or its drain reached the limit.
    ShutDown {
        /// Where it was.
        stage: Stage,
    },
}

/// How far a job had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waited; no worker has ever seen all of it.
    Queued,
    /// It was with a worker, or waits for another attempt after one that was.
    Running,
}

/// A job's two time limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `timeout`: waiting and running together.
    Total,
    /// `run_timeout`: running alone.
    Run,
}

/// What came of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadEnd {
    /// No worker of an older generation is in service any more.
    Done,
    /// Its first worker did not get ready. The generation before it goes on serving.
    CanaryDied,
    /// A later reload has taken its place.
    Superseded,
    /// The pool was shut down before.
    ShutDown,
}
