//! The processor time and peak memory of a job, for a caller that asked. They cost system calls, so
//! nobody else pays for them.

use crate::os;
use procpool_protocol::extras::{Extra, of_done};
use procpool_protocol::message::Job;
use std::time::Duration;

/// The reading of the thread's clock at the job's start; `None` if nobody asked.
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
