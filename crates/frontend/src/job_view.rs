//! A job as clients see it: the JSON of a record. Does not: ask the engine.

use crate::problem::Problem;
use crate::{answer, job_problem};
use http::HeaderValue;
use procpool_protocol::message::Progress;
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobId, OutcomeKind};
use procpool_registry::{Record, Time};
use serde::{Serialize, Serializer};
use std::time::{Duration, UNIX_EPOCH};

/// The JSON of a job.
#[derive(Serialize)]
pub(crate) struct JobView<'a> {
    id: JobId,
    pool: &'a str,
    state: &'static str,
    outcome: Option<OutcomeKind>,
    may_have_run: bool,
    durable: bool,
    priority: &'static str,
    attempt: u32,
    accepted_at: Date,
    /// When a job that waits for a time is due.
    run_at: Option<Date>,
    started_at: Option<Date>,
    finished_at: Option<Date>,
    deadline_at: Option<Date>,
    expires_at: Option<Date>,
    progress: Option<ProgressView>,
    worker: Option<&'a str>,
    problem: Option<Problem>,
    rerun_of: Option<JobId>,
    links: Links,
}

#[derive(Serialize)]
struct Links {
    result: String,
    events: String,
}

/// The JSON of a progress.
#[derive(Serialize)]
pub(crate) struct ProgressView {
    done: u64,
    total: Option<u64>,
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        Self { done: progress.done, total: progress.total }
    }
}

/// An instant in RFC 3339.
struct Date(Time);

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The year 2554 is the last that a time reaches.
        let time = UNIX_EPOCH + Duration::from_nanos(self.0.as_nanos());
        serializer.collect_str(&humantime::format_rfc3339_millis(time))
    }
}

impl<'a> JobView<'a> {
    /// Returns the JSON of a record, with the problem of its result.
    pub(crate) fn of(record: &'a Record, result: Option<&Finished>) -> Self {
        let problem = result.and_then(|finished| {
            let error = finished.result.as_ref().err()?;
            Some(job_problem::of_job((**error).clone(), answer::asked(finished)))
        });
        let path = path_of(record.id);
        Self {
            id: record.id,
            pool: &record.pool,
            state: record.state.phase().name(),
            outcome: record.state.outcome(),
            may_have_run: record.may_have_run,
            durable: procpool_jobs::is_durable(record.id),
            priority: record.priority.as_str(),
            attempt: record.attempt,
            accepted_at: Date(record.accepted),
            run_at: record.due.map(Date),
            started_at: record.started.map(Date),
            finished_at: record.finished.map(Date),
            deadline_at: record.deadline.map(Date),
            expires_at: record.expires.map(Date),
            progress: record.progress.map(ProgressView::from),
            worker: record.worker.as_deref(),
            problem,
            rerun_of: record.rerun_of,
            links: Links { result: format!("{path}/result"), events: format!("{path}/events") },
        }
    }
}

/// Returns the path of a job.
pub(crate) fn path_of(job: JobId) -> String {
    format!("/v1/jobs/{job}")
}

/// Returns the `ETag` of this version of a job.
pub(crate) fn etag_of(record: &Record) -> HeaderValue {
    answer::ascii(format!("\"{}\"", record.version))
}
