//! How a job's error becomes a problem: its kind, and the members that belong to it. The status is
//! the error's own ([`JobError::http_status`]), so that there is one table.

use crate::kind::Kind;
use crate::problem::Problem;
use http::StatusCode;
use procpool_protocol::engine::JobLimits;
use procpool_protocol::outcome::{JobError, Refusal, Refused, Stage};
use procpool_protocol::{CrashReport, Failure};
use serde_json::value::RawValue;
use std::path::Path;
use std::time::Duration;

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = Problem::new(kind_of(&error), status, error.to_string())
            .may_have_run(error.may_have_run())
            .retry_after(error.retry_after());
        match &error {
            JobError::Refused(refused) => with_refusal(problem, refused),
            accepted => with_outcome(problem.outcome(accepted.name()), accepted),
        }
    }
}

/// Returns the problem of a job whose client had asked for these limits.
pub(crate) fn of_job(error: JobError, asked: JobLimits) -> Problem {
    let cut = match error {
        JobError::TimedOut { limit, .. } => cut_to(limit, asked),
        _ => None,
    };
    match cut {
        Some(asked) => Problem::from(error)
            .adding(&format!(
                "; the request asked for {asked:?}, and the pool's `max_timeout` or `run_timeout` is less"
            ))
            .with("asked_ms", &asked.as_millis()),
        None => error.into(),
    }
}

/// Returns the limit that the client had asked for, if the job ran into a lower one of the pool.
fn cut_to(limit: Duration, asked: JobLimits) -> Option<Duration> {
    let asked = [asked.timeout, asked.run_timeout].into_iter().flatten();
    let is_own = asked.clone().any(|it| it == limit);
    asked.filter(|&it| it > limit && !is_own).min()
}

fn kind_of(error: &JobError) -> Kind {
    match error {
        // Its outcome is `ok`: the job did end well.
        JobError::Output(_) => Kind::UnreadableOutput,
        other => Kind::named(other.name()).unwrap_or(Kind::Internal),
    }
}

fn with_refusal(problem: Problem, refused: &Refused) -> Problem {
    let problem = problem.with("reason", refused.reason.name()).with("pool", &refused.pool);
    match &refused.reason {
        Refusal::UnknownPool { known, .. } => problem.with("known", known),
        Refusal::QueueFull { limit, .. } => problem.with("limit", limit),
        Refusal::LargeInputsFull { limit, .. } => problem.with("limit", limit),
        Refusal::QueueBytesFull { waiting, size, limit, .. } => {
            problem.with("waiting", waiting).with("size", size).with("limit", limit)
        }
        Refusal::BreakerOpen { retry, last_death, .. } => {
            problem.with("retry_ms", &retry.as_millis()).with("last_death", last_death)
        }
        Refusal::ClientQuarantined { client, deaths, retry, .. } => {
            problem.with("client", client).with("deaths", deaths).with("retry_ms", &retry.as_millis())
        }
        Refusal::DeadlineUnreachable { limit, predicted, .. } => {
            problem.with("limit_ms", &limit.as_millis()).with("predicted_ms", &predicted.as_millis())
        }
        Refusal::NoSlotInTime { limit, .. } => problem.with("limit_ms", &limit.as_millis()),
        Refusal::InputTooLarge { size, limit, .. } => problem.with("size", size).with("limit", limit),
        _ => problem,
    }
}

fn with_outcome(problem: Problem, error: &JobError) -> Problem {
    match error {
        JobError::BadInput { message, .. } => problem.with("message", message),
        JobError::Failed(failure) | JobError::Broke(failure) => with_failure(problem, failure),
        JobError::Panicked { message, location, replay, .. } => {
            with_replay(problem.with("message", message).with("location", location), replay.as_deref())
        }
        JobError::Crashed(report) => with_crash(problem, report),
        JobError::TimedOut { stage, limit, replay, stack, .. } => {
            let problem = with_stage(problem, *stage).with("limit_ms", &limit.as_millis());
            let problem = with_replay(problem, replay.as_deref());
            match stack {
                Some(stack) => problem.with("stack", &**stack),
                None => problem,
            }
        }
        JobError::Cancelled { stage, .. } | JobError::ShutDown { stage, .. } => with_stage(problem, *stage),
        JobError::Poisoned { stage, payload_deaths, remaining, .. } => with_stage(problem, *stage)
            .with("payload_deaths", payload_deaths)
            .with("remaining_ms", &remaining.as_millis()),
        JobError::Protocol { violation, replay, .. } => {
            with_replay(problem.with("violation", violation), replay.as_deref())
        }
        JobError::OutputTooLarge { size, limit, .. } => problem.with("size", size).with("limit", limit),
        _ => problem,
    }
}

fn with_failure(problem: Problem, failure: &Failure) -> Problem {
    let problem = problem
        .with("message", failure.message())
        .with("code", failure.code())
        .with("retryable", &failure.is_retryable());
    match failure.details::<Box<RawValue>>() {
        Some(details) => problem.with("details", &details),
        None => problem,
    }
}

fn with_crash(problem: Problem, report: &CrashReport) -> Problem {
    with_stage(problem, report.stage).with("crash", report)
}

/// Adds the file in which the job was saved, if there is one.
fn with_replay(problem: Problem, file: Option<&Path>) -> Problem {
    match file {
        Some(file) => problem.with("replay", &file.to_string_lossy()),
        None => problem,
    }
}

fn with_stage(problem: Problem, stage: Stage) -> Problem {
    problem.with("stage", &stage)
}
