//! [`Reported`]: an outcome, and the resources that the job used.

use super::handle;
use procpool_protocol::outcome::{Finished, Refused, Timing};
use procpool_protocol::{Job, JobError, JobId};
use std::time::Duration;

/// A job's outcome with a report of its resources, for metrics and bills.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reported<T> {
    /// The output, or the error.
    pub outcome: Result<T, JobError>,
    /// How it ran.
    pub report: RunReport,
}

/// How a job ran: its id, its times and the resources that it used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunReport {
    /// The job's id, or `None` where the pool refused the job.
    pub id: Option<JobId>,
    /// Time from being accepted to being given to a worker, or to the end if it never was.
    pub wait: Duration,
    /// Time from being given to a worker to the end, by this process's clock. If there were several attempts,
    /// the last counts.
    pub run: Duration,
    /// Number of times that the job was given to a worker. This and the following fields are `None` where
    /// nobody [asked](crate::JobRequest::report_usage), and where the pool refused the job.
    pub attempts: Option<u32>,
    /// Process id of the worker that had the job last. The system may have given it to another process
    /// by now.
    pub worker: Option<u32>,
    /// Processor time of the thread that ran the function, as the worker measured it. `None` also
    /// where the function did not return or panic, as after a crash or a timeout, and where the worker's
    /// SDK does not measure.
    pub cpu_time: Option<Duration>,
    /// Maximum resident memory of the worker process up to the end of the job, in bytes: earlier jobs
    /// count, too. `None` as for [`cpu_time`](Self::cpu_time).
    pub peak_memory: Option<u64>,
}

impl<T> Reported<T> {
    pub(super) fn of<J: Job<Output = T>>(mut finished: Finished) -> Self {
        let Timing { wait, run, .. } = finished.timing;
        let told = finished.report.take().unwrap_or_default();
        let report = RunReport {
            id: Some(finished.id),
            wait,
            run,
            attempts: told.attempts,
            worker: told.worker,
            cpu_time: told.cpu_time,
            peak_memory: told.peak_memory,
        };
        Self { outcome: handle::decode::<J>(finished), report }
    }

    pub(super) fn refused(refused: Refused) -> Self {
        Self { outcome: Err(refused.into()), report: RunReport::default() }
    }
}
