//! [`Retry`]: how a job of a cluster that has failed is tried again. Pure.

use crate::record::millis;
use procpool_protocol::outcome::Outcome;
use procpool_protocol::{JobError, Stage};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a job that has failed is tried again: by any node, after `first`, then after `factor` times as long, and so on up to
/// `max`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// Maximum number of attempts, the first one included.
    pub attempts: u32,
    /// Time between the first attempt and the second.
    #[serde(rename = "first_ms", with = "millis")]
    pub first: Duration,
    /// Growth of that time from one attempt to the next. Values below 1 count as 1.
    pub factor: f64,
    /// Maximum time between two attempts.
    #[serde(rename = "max_ms", with = "millis")]
    pub max: Duration,
    /// Whether the timeout of the job bounds all attempts together, because its client has set it. Else it bounds each.
    #[serde(default)]
    pub whole: bool,
}

impl Retry {
    /// Returns the time before the attempt after this one, from 1. `random` is from 0 to 1, and shortens it by up to a fifth.
    #[must_use]
    pub fn wait(&self, attempt: u32, random: f64) -> Duration {
        let mut policy = procpool_jobs::Retry::default();
        (policy.first, policy.factor, policy.max) = (self.first, self.factor, self.max);
        policy.wait(attempt, random)
    }

    /// Returns the time before the next attempt, or `None` if this outcome is not worth one.
    pub(crate) fn after(
        &self,
        result: &Outcome,
        is_idempotent: bool,
        attempt: u32,
        random: f64,
    ) -> Option<Duration> {
        let error = result.as_ref().err()?;
        // Its time was up before a worker had it, as if it had waited in the queue.
        let is_late = matches!(**error, JobError::TimedOut { stage: Stage::Queued, .. });
        let is_retried = !is_late && procpool_jobs::is_retried(error, is_idempotent);
        is_retried.then(|| self.wait(attempt, random))
    }

    /// Returns the maximum time of all attempts with this timeout each.
    pub(crate) fn longest(&self, timeout: Duration) -> Duration {
        let waits = (1..self.attempts).map(|attempt| self.wait(attempt, 0.0));
        waits.fold(timeout, |all, wait| all.saturating_add(wait).saturating_add(timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::{Failure, Payload};

    const RETRY: Retry = Retry {
        attempts: 4,
        first: Duration::from_secs(1),
        factor: 2.0,
        max: Duration::from_secs(3),
        whole: false,
    };

    #[test]
    fn times_grow_to_their_bound_and_so_does_their_sum() {
        assert_eq!([1, 2, 3, 4].map(|attempt| RETRY.wait(attempt, 0.0).as_secs()), [1, 2, 3, 3]);
        assert_eq!(RETRY.wait(1, 1.0), Duration::from_millis(800));
        assert_eq!(RETRY.longest(Duration::from_secs(10)), Duration::from_secs(4 * 10 + 1 + 2 + 3));
    }

    #[test]
    fn a_failure_that_asks_for_it_is_tried_again_and_a_panic_where_jobs_may_be_repeated() {
        let after = |error: JobError, is_idempotent| {
            RETRY.after(&Err(Box::new(error)), is_idempotent, 1, 0.0).is_some()
        };
        let failure = Failure::new("busy");
        assert!(after(JobError::Failed(failure.clone().retryable()), false));
        assert!(!after(JobError::Failed(failure), true));
        let panicked = || JobError::panicked("oops", None);
        assert!(after(panicked(), true) && !after(panicked(), false));
        let late = |stage| JobError::timed_out(stage, Duration::from_secs(1));
        assert!(after(late(Stage::Running), true) && !after(late(Stage::Queued), true));
        assert!(!after(JobError::cancelled(Stage::Running), true));
        assert_eq!(RETRY.after(&Ok(Payload::json("1")), true, 1, 0.0), None);
    }
}
