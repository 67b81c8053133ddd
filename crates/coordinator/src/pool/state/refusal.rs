//! Why the scheduler takes no job, as its caller is told it: with the bounds and the history that the scheduler does not know.

use super::open_job::NewJob;
use procpool_protocol::outcome::{JobError, Refusal, Refused};
use procpool_scheduler::{Refusal as Reason, Settings};
use std::time::Duration;

/// Number of characters of a client's name that are told.
const LONGEST_NAME: usize = 64;

/// The maximum number of jobs that may wait for a worker, and of their bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueBounds {
    jobs: usize,
    /// Of all inputs together.
    bytes: usize,
}

impl QueueBounds {
    pub(super) const fn of(settings: Settings) -> Self {
        Self { jobs: settings.queue, bytes: settings.queue_bytes }
    }

    /// Returns the reason for which this job was refused.
    pub(super) fn told(self, reason: Reason, job: &NewJob, last_death: &str) -> Refusal {
        match reason {
            Reason::QueueFull => Refusal::queue_full(self.jobs),
            Reason::QueueBytesFull { waiting } => {
                Refusal::queue_bytes_full(waiting, job.input.bytes.len(), self.bytes)
            }
            Reason::BreakerOpen { retry } => Refusal::breaker_open(retry, last_death),
            Reason::Client { deaths, retry } => of_client(job, deaths, retry),
            Reason::Unreachable { predicted, retry } => of_late(job, predicted, retry),
            Reason::Closed => Refusal::Draining,
            Reason::ShuttingDown | Reason::DuplicateId => Refusal::ShuttingDown,
        }
    }
}

/// Returns the refusal of a job whose client's jobs have killed too many workers.
fn of_client(job: &NewJob, deaths: u32, retry: Duration) -> Refusal {
    let name = job.client.as_deref().unwrap_or_default();
    Refusal::client_quarantined(name.chars().take(LONGEST_NAME).collect::<String>(), deaths, retry)
}

/// Returns the refusal of a job that would not end in time.
fn of_late(job: &NewJob, predicted: Duration, retry: Duration) -> Refusal {
    Refusal::deadline_unreachable(job.limits.timeout.unwrap_or_default(), predicted, retry)
}

/// Returns the error of a job that waited and could no longer end in time.
pub(super) fn too_late(pool: &str, job: &NewJob, predicted: Duration, retry: Duration) -> JobError {
    Refused::new(pool, of_late(job, predicted, retry)).into()
}

/// Returns the error of a job that waited when its client was refused.
pub(super) fn given_back(pool: &str, job: &NewJob, deaths: u32, retry: Duration) -> JobError {
    Refused::new(pool, of_client(job, deaths, retry)).into()
}
