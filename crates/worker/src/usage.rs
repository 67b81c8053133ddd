//! The processor time and peak memory of a job, for a caller that requested them. They cost system calls, so
//! they are measured only then.

use crate::os;
use procpool_protocol::extras::{Extra, of_done};
use procpool_protocol::message::Job;
use std::time::Duration;

/// The thread's clock at the job's start; `None` if no measurement was requested.
#[derive(Debug)]
pub(crate) struct Meter(Option<Duration>);

impl Meter {
    /// Starts the measurement. Call it on the thread that runs the job.
    pub(crate) fn start(job: &Job) -> Self {
        Self(job.asks_for_usage().then(os::thread_cpu_time))
    }

    /// Adds the usage since the start. Call it on the same thread.
    pub(crate) fn stop(self, extras: &mut Vec<Extra>) {
        let Some(before) = self.0 else { return };
        let used = os::thread_cpu_time().saturating_sub(before);
        let nanos = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        extras.push(Extra::number(of_done::CPU_TIME, nanos));
        extras.extend(os::peak_memory().map(|bytes| Extra::number(of_done::PEAK_MEMORY, bytes)));
    }
}
