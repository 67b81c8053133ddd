//! The report of a death that nobody saw: the process that watched the worker is gone, too.

use crate::crash::{CrashReport, Exit, ExitReport};
use crate::job_id::JobId;
use crate::stage::Stage;

/// The line that takes the place of a worker's last words.
const CAUSE: &str = "the host process that supervised the worker was lost (killed, crashed, or the machine lost power); \
     the job may have run, in part or to its end, and its outcome is unknown";

impl CrashReport {
    /// Returns the report for a job that a worker had when the process that supervised it was lost. `worker` is its name,
    /// or empty if none is known.
    ///
    /// ```
    /// # use procpool_protocol::{CrashReport, JobError, JobId};
    /// let report = CrashReport::host_lost(JobId::from_bits(1), "fib-3");
    /// assert!(report.is_host_lost());
    /// assert!(JobError::Crashed(Box::new(report)).may_have_run());
    /// ```
    #[must_use]
    pub fn host_lost(job: JobId, worker: &str) -> Self {
        let worker = if worker.is_empty() { "unknown" } else { worker };
        let mut death = ExitReport::new(worker, 0, Exit::Unknown);
        death.stderr = vec![CAUSE.to_owned()];
        let mut report = Self::new(job, Stage::Running, death);
        // Nothing is known of the jobs before.
        report.first_job = false;
        report
    }

    /// Returns whether the worker was lost together with the process that supervised it.
    #[must_use]
    pub fn is_host_lost(&self) -> bool {
        self.death.exit == Exit::Unknown && self.death.stderr.iter().any(|line| line == CAUSE)
    }
}

/// Returns the sentence of such a report.
pub(crate) fn sentence() -> String {
    format!("the worker was lost: {CAUSE}")
}
