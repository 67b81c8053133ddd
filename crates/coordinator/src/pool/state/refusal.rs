//! Why the scheduler takes no job, as its caller is told it: with the bounds and the history that the scheduler does not know.

use crate::limits::PoolLimits;
use procpool_protocol::Payload;
use procpool_protocol::outcome::Refusal;
use procpool_scheduler::Refusal as Reason;

/// What may wait for a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueBounds {
    jobs: usize,
    /// Of all inputs together.
    bytes: usize,
}

impl QueueBounds {
    pub(super) const fn of(limits: &PoolLimits) -> Self {
        Self { jobs: limits.queue, bytes: limits.queue_bytes }
    }

    /// The reason for which a job with this input was refused.
    pub(super) fn told(self, reason: Reason, input: &Payload, last_death: &str) -> Refusal {
        match reason {
            Reason::QueueFull => Refusal::QueueFull { limit: self.jobs },
            Reason::QueueBytesFull { waiting } => {
                Refusal::QueueBytesFull { waiting, size: input.bytes.len(), limit: self.bytes }
            }
            Reason::BreakerOpen { retry } => Refusal::BreakerOpen { retry, last_death: last_death.into() },
            Reason::ShuttingDown | Reason::DuplicateId => Refusal::ShuttingDown,
        }
    }
}
