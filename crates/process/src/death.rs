//! The end of a worker: kills it, reads its last output, and reports its death, in that order.

use crate::evidence::{self, Circumstances};
use crate::os::alive::Alive;
use crate::os::worker_process::WorkerProcess;
use crate::output::Output;
use crate::tail::LastWords;
use crate::worker_limits::WorkerLimits;
use procpool_protocol::ExitReport;
use std::sync::Arc;
use std::time::Duration;

/// Maximum time that a death's report waits for the last lines of standard error. The worker's own lines are
/// in the pipe already. Only a grandchild can hold the pipe open.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(10);

/// Maximum time that a worker may live after it closed its connection.
pub(crate) const AFTER_EOF: Duration = Duration::from_secs(1);

/// The worker as a process.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) name: String,
    /// Its limits.
    pub(crate) limits: WorkerLimits,
    pub(crate) process: Arc<WorkerProcess>,
    /// Readable once the process is dead.
    pub(crate) alive: Alive,
    /// `None` for an attached worker, whose output goes to its own parent.
    pub(crate) output: Option<Output>,
}

impl Body {
    /// See [`Output::catch_up`].
    pub(crate) fn catch_up(&self) {
        if let Some(output) = &self.output {
            output.catch_up();
        }
    }

    /// Kills the group, waits for the death, reads the last output for up to `patience`, and reaps. If the
    /// worker had begun a `job`, only output since then counts.
    pub(crate) async fn bury(self, patience: Duration, job: Option<u64>) -> ExitReport {
        let Self { name, limits, process, alive, output } = self;
        process.kill();
        alive.died().await;
        drop(alive);
        let uptime = process.started().elapsed();
        let words = match output {
            Some(output) => output.last_words(patience, job).await,
            None => LastWords::default(),
        };
        let reaped = process.bury();
        let mut report = ExitReport::new(name, process.pid(), reaped.exit);
        report.stderr = words.lines;
        report.stderr_may_be_older = words.may_be_older;
        report.peak_memory = reaped.peak_memory;
        report.cpu_time = reaped.cpu_time;
        report.uptime = uptime;
        let circumstances = Circumstances {
            was_killed: process.was_killed(),
            had_children: reaped.had_children,
            above_limit: reaped.above_limit,
        };
        report.limit = evidence::limit_hit(&limits, &report, circumstances);
        report.oom_killed = reaped.oom_killed && report.limit.is_none();
        report
    }
}
