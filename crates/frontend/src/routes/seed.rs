//! The web server of Node's worker-threads tutorial: `/` says `OK`, `/compute` does the heavy sum in a
//! worker and says `Result: …`. As the only job that GET runs, it is closed to what pages embed.

use super::{method_not_allowed, text};
use crate::access::{Permit, Principal};
use crate::answer;
use crate::app::Shared;
use crate::params::{JOB_LIMITS, Parameters};
use crate::problem::Problem;
use crate::{embedded, head, remote, trace};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::ALLOW;
use http::{Extensions, HeaderMap, Method, Uri, Version};
use procpool_protocol::engine::Submission;
use procpool_protocol::extras::JobReport;
use procpool_protocol::{Encoding, JobError, Payload};
use std::sync::Arc;

/// The pool behind `/compute`.
const POOL: &str = "compute";

/// Number of square roots that Node's worker-threads tutorial adds up.
const DEFAULT_N: u64 = 50_000_000;

/// Serves `GET /`.
pub(super) async fn ok() -> &'static str {
    "OK"
}

/// Serves `GET /compute[?n=][&timeout=][&run_timeout=]`, and no other method: a HEAD would run the job for
/// nobody.
pub(super) async fn compute(
    State(shared): State<Arc<Shared>>,
    method: Method,
    version: Version,
    uri: Uri,
    headers: HeaderMap,
    (principal, permit): (Principal, Permit),
    extensions: Extensions,
) -> Result<Response, Problem> {
    if method != Method::GET {
        return Ok(([(ALLOW, "GET")], method_not_allowed(method, uri).await).into_response());
    }
    let host = head::check(version, &uri, &headers)?;
    embedded::refuse(host.as_ref(), &headers)?;
    let [timeout, run_timeout] = JOB_LIMITS;
    let parameters = Parameters::of(&uri, &["n", timeout, run_timeout])?;
    principal.needs_pool(POOL)?;
    let n = parameters.number("n", 0..=u64::MAX)?.unwrap_or(DEFAULT_N);
    let mut job = Submission::new(POOL, Payload::json(n.to_string()), Encoding::Json);
    (job.limits, job.client) = (parameters.job_limits()?, remote::client(&extensions));
    (job.priority, job.tenant) = (principal.priority(None)?, principal.tenant());
    (job.principal, job.trace) = (Some(principal.name().clone()), trace::current());
    answer::run(&shared, job, result, None, permit).await
}

/// Returns the number's text as the worker wrote it, since reading and writing it again could cost digits;
/// but a whole number without `.0`, as Node prints it.
fn result(Payload { encoding, bytes, .. }: Payload, _: Option<&JobReport>) -> Result<Response, JobError> {
    match encoding {
        Encoding::Json => {
            let number = bytes.strip_suffix(b".0").unwrap_or(&bytes);
            Ok(text([b"Result: ", number].concat()))
        }
        got => Err(answer::unreadable("a JSON number", got)),
    }
}
