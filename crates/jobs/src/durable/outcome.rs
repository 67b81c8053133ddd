//! The consequence of the end of a run: the outcome, another attempt, or a place in the queue as if nothing had been.

use super::options::PoolOptions;
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobError, Stage};
use procpool_registry::{Attempts, Record, Time};

/// The consequence of the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The job has its outcome.
    Finish,
    /// The job gets another attempt, from this time on.
    Again(Time),
    /// No worker had the job. It waits as before.
    Back,
}

/// Returns the consequence of the end of a run. `random` is from 0 to 1.
pub(super) fn next(
    record: &Record,
    finished: &Finished,
    options: &PoolOptions,
    now: Time,
    random: f64,
) -> Next {
    let Err(error) = &finished.result else { return Next::Finish };
    let is_late = record.deadline.is_some_and(|deadline| deadline <= now);
    if is_unrun(error) {
        return if is_late { Next::Finish } else { Next::Back };
    }
    // The pool ends with this process, and the job need not.
    if let JobError::ShutDown { .. } = **error {
        let may = options.idempotent && options.attempts().are_left(record, now);
        return if may { Next::Again(now) } else { Next::Finish };
    }
    if !is_retried(error, options.idempotent) {
        return Next::Finish;
    }
    let due = now + options.retry.wait(record.attempt, random);
    let attempts = Attempts { idempotent: options.idempotent, max: options.retry.max_attempts };
    if attempts.are_left(record, due) { Next::Again(due) } else { Next::Finish }
}

/// Returns whether the pool gave a job up that no worker had. Its own deadline, which is checked beside, is another thing
/// than the pool's timeout, which a job with a long queue before it may reach.
fn is_unrun(error: &JobError) -> bool {
    match error {
        JobError::TimedOut { stage, .. } | JobError::ShutDown { stage, .. } => *stage == Stage::Queued,
        JobError::Crashed(report) => report.stage == Stage::Queued,
        _ => false,
    }
}

/// Returns whether an outcome is worth another attempt. A function that asks for one knows what it has done. Otherwise
/// the pool's jobs have to be repeatable, and the input must not be the cause.
#[must_use]
pub fn is_retried(error: &JobError, is_idempotent: bool) -> bool {
    match error {
        JobError::Failed(failure) => failure.is_retryable(),
        JobError::Broke(failure) => failure.is_retryable() || is_idempotent,
        JobError::Crashed(report) => is_idempotent && report.quarantined.is_none(),
        JobError::TimedOut { .. } | JobError::Panicked { .. } | JobError::Protocol { .. } => is_idempotent,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::options::Retry;
    use procpool_protocol::outcome::Timing;
    use procpool_protocol::{CrashReport, Failure, JobId};
    use std::sync::Arc;
    use std::time::Duration;

    fn decided(error: JobError, is_idempotent: bool, change: impl FnOnce(&mut Record)) -> Next {
        let mut record = Record::new(1, JobId::from_bits(1), Arc::from("fib"), Time::ZERO);
        record.attempt = 1;
        change(&mut record);
        let retry = Retry { max_attempts: 3, jitter: 0.0, ..Retry::default() };
        let options = PoolOptions { idempotent: is_idempotent, retry, ..PoolOptions::default() };
        let finished = Finished::new(record.id, Timing::default(), Err(Box::new(error)));
        next(&record, &finished, &options, Time::ZERO, 0.0)
    }

    fn crashed() -> JobError {
        JobError::Crashed(Box::new(CrashReport::host_lost(JobId::from_bits(1), "")))
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_crash_is_repeated_only_where_jobs_may_be() {
        assert_eq!(decided(crashed(), true, |_| ()), Next::Again(Time::ZERO + SECOND));
        assert_eq!(decided(crashed(), false, |_| ()), Next::Finish);
        assert_eq!(decided(JobError::timed_out(Stage::Running, SECOND), false, |_| ()), Next::Finish);
    }

    #[test]
    fn a_function_that_asks_for_another_attempt_gets_it() {
        let failure = Failure::new("busy");
        assert_eq!(decided(JobError::Failed(failure.clone()), true, |_| ()), Next::Finish);
        let retryable = JobError::Failed(failure.retryable());
        assert_eq!(decided(retryable, false, |_| ()), Next::Again(Time::ZERO + SECOND));
    }

    #[test]
    fn attempts_and_time_have_to_be_left() {
        assert_eq!(
            decided(crashed(), true, |record| record.attempt = 2),
            Next::Again(Time::ZERO + 2 * SECOND)
        );
        assert_eq!(decided(crashed(), true, |record| record.attempt = 3), Next::Finish);
        assert_eq!(
            decided(crashed(), true, |record| record.deadline = Some(Time::ZERO + SECOND)),
            Next::Finish
        );
    }

    #[test]
    fn a_job_that_no_worker_had_is_not_ended_by_its_pool() {
        for error in [JobError::timed_out(Stage::Queued, SECOND), JobError::shut_down(Stage::Queued)] {
            assert_eq!(decided(error.clone(), false, |_| ()), Next::Back);
            assert_eq!(decided(error, false, |record| record.deadline = Some(Time::ZERO)), Next::Finish);
        }
        assert_eq!(decided(JobError::shut_down(Stage::Running), true, |_| ()), Next::Again(Time::ZERO));
        assert_eq!(decided(JobError::shut_down(Stage::Running), false, |_| ()), Next::Finish);
    }
}
