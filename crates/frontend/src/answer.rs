//! A job's way through the engine, and its outcome as an answer. Knows that there are jobs; not what
//! they take or give.

use crate::access::Permit;
use crate::app::Shared;
use crate::config::OnDisconnect;
use crate::detaching::Detaching;
use crate::job_problem;
use crate::lent::{JOB_MEMORY, Memory};
use crate::problem::{ANSWERS_FULL, Problem, overloaded};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue};
use procpool_protocol::engine::{JobLimits, Submission};
use procpool_protocol::extras::JobReport;
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::{Encoding, JobError, JobId, Payload, PayloadError};
use std::time::Duration;

pub(crate) const JOB_ID: HeaderName = HeaderName::from_static("job-id");
/// Number of chunks that the job emitted and nobody read.
const CHUNKS_DROPPED: HeaderName = HeaderName::from_static("job-chunks-dropped");
pub(crate) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Returns the problem of a job whose answer has no room.
pub(crate) fn no_room() -> Problem {
    let detail = "failed to accept the job: clients have not taken as many bytes of answers as the server may hold \
                  (`max_answers`)";
    overloaded(detail).with("reason", ANSWERS_FULL)
}

/// Shows an output, of which its worker may have told more than the bytes.
pub(crate) type Render = fn(Payload, Option<&JobReport>) -> Result<Response, JobError>;

/// Runs one job to its outcome and answers with that; `render` shows an output. A large one goes to the client's `memory`.
///
/// The outcome is awaited right here: when the client hangs up, this future is dropped, the outcome's
/// with it, and the job is cancelled, unless the configuration says otherwise.
pub(crate) async fn run(
    shared: &Shared,
    job: Submission,
    render: Render,
    memory: Option<Memory>,
    permit: Permit,
) -> Result<Response, Problem> {
    if shared.answers.is_spent() {
        return Err(no_room());
    }
    let asked = job.limits;
    let accepted = shared.app.engine.submit(job)?;
    tracing::debug!(job = %accepted.id, "accepted");
    let finished = match shared.app.config.on_disconnect {
        OnDisconnect::Cancel => accepted.outcome.await,
        OnDisconnect::Detach => Detaching::new(accepted, permit).await,
    };
    Ok(whole(finished, asked, render, memory).await)
}

/// Answers with the outcome of a job that has outlived its request, or may have.
pub(crate) async fn of_stored(finished: &Finished, memory: Option<Memory>) -> Response {
    whole(finished.clone(), asked(finished), as_is, memory).await
}

/// Returns the limits that the client of a stored outcome had asked for.
pub(crate) fn asked(finished: &Finished) -> JobLimits {
    finished.report.as_deref().and_then(|report| report.asked).unwrap_or_default()
}

/// Answers with an outcome. A large output goes to the client's `memory`.
pub(crate) async fn whole(
    mut finished: Finished,
    asked: JobLimits,
    render: Render,
    memory: Option<Memory>,
) -> Response {
    let moved = match (memory, &mut finished.result) {
        (Some(memory), Ok(output)) => memory.take(output).await,
        _ => None,
    };
    let mut response = answer(finished, asked, render);
    if let Some(length) = moved {
        response.headers_mut().insert(JOB_MEMORY, HeaderValue::from(length));
    }
    response
}

fn answer(finished: Finished, asked: JobLimits, render: Render) -> Response {
    if let Err(error) = &finished.result
        && let JobError::Refused(_) = &**error
    {
        // The pool gave it back: it is as if it had never been accepted.
        return job_problem::of_job((**error).clone(), asked).into_response();
    }
    let report = finished.report.as_deref();
    let shown = finished.result.map_err(|error| *error).and_then(|output| render(output, report));
    let mut response = match shown {
        Ok(response) => response,
        Err(error) => job_problem::of_job(error, asked).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(JOB_ID, ascii(job_id(finished.id)));
    headers.insert(SERVER_TIMING, ascii(server_timing(finished.timing, report)));
    if let Some(chunks) = report.and_then(|report| report.chunks_dropped) {
        headers.insert(CHUNKS_DROPPED, HeaderValue::from(chunks));
    }
    // A worker's output is of the type that we say, whatever a browser takes it for.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Returns an output as it is: JSON text as JSON, raw bytes as what their worker says that they are.
pub(crate) fn as_is(output: Payload, report: Option<&JobReport>) -> Result<Response, JobError> {
    let told = report.and_then(|report| report.content_type.as_ref());
    let content_type = match (output.encoding, told) {
        (Encoding::Json, _) => Some(HeaderValue::from_static("application/json")),
        (Encoding::Bytes, Some(told)) => Some(ascii(told.to_string())),
        (Encoding::Bytes, None) => Some(HeaderValue::from_static("application/octet-stream")),
        (Encoding::None, _) => None,
        (got, _) => return Err(unreadable("JSON or raw bytes", got)),
    };
    let is_told = output.encoding == Encoding::Bytes && told.is_some();
    let mut response = Response::new(Body::from(output.bytes));
    let headers = response.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if is_told {
        // A browser that was led here is not to run the worker's page as one of ours.
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
    Ok(response)
}

/// Returns the error of an output that cannot be shown.
pub(crate) fn unreadable(expected: &'static str, got: Encoding) -> JobError {
    JobError::Output(PayloadError::wrong_encoding(expected, got))
}

fn job_id(id: JobId) -> String {
    id.to_string()
}

pub(crate) fn server_timing(timing: Timing, report: Option<&JobReport>) -> String {
    // By whole numbers, and of 64 bits: for others, formatting takes longer than most of what an answer takes.
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let parts = |duration: Duration| (millis(duration), duration.subsec_micros() % 1000);
    let ((wait, wait_micros), (run, run_micros)) = (parts(timing.wait), parts(timing.run));
    let mut text = format!("wait;dur={wait}.{wait_micros:03}, run;dur={run}.{run_micros:03}");
    if let Some((cpu, micros)) = report.and_then(|report| report.cpu_time).map(parts) {
        text += &format!(", cpu;dur={cpu}.{micros:03}");
    }
    if let Some(bytes) = report.and_then(|report| report.peak_memory) {
        text += &format!(", memory;desc=\"{bytes}\"");
    }
    text
}

/// Makes a header's value of text that is ASCII without control characters, which is always valid.
pub(crate) fn ascii(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_timing_counts_milliseconds_with_decimals() {
        let timing = Timing::new(Duration::from_micros(250), Duration::from_millis(1500));
        assert_eq!(server_timing(timing, None), "wait;dur=0.250, run;dur=1500.000");
        assert_eq!(server_timing(timing, Some(&JobReport::default())), "wait;dur=0.250, run;dur=1500.000");
    }
}
