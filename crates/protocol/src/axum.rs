//! A job's error as a response of axum: problem JSON (RFC 9457) with the part that a client may read. Feature
//! `axum`.

use crate::outcome::JobError;
use crate::public_error::{PublicError, whole_seconds};
use axum_core::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

#[derive(Serialize)]
struct Problem<'a> {
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    may_have_run: bool,
    retryable: bool,
}

/// Responds with the result of [`JobError::public`]. The error's own text is lost: log it first.
impl IntoResponse for JobError {
    fn into_response(self) -> Response {
        self.public().into_response()
    }
}

/// Responds with `application/problem+json`, and with `Retry-After` if a retry makes sense.
impl IntoResponse for PublicError {
    fn into_response(self) -> Response {
        let problem = Problem {
            title: "the job has no output",
            status: self.status,
            detail: &self.message,
            code: &self.code,
            may_have_run: self.may_have_run,
            retryable: self.retryable,
        };
        // Strings, numbers and flags always serialize.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = body.into_response();
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(retry_after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(retry_after)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;
    use crate::outcome::{Refusal, Refused};

    #[test]
    fn an_error_is_answered_with_its_status_and_when_to_come_back() {
        let busy = JobError::from(Refused::new("fib", Refusal::QueueFull { limit: 3 })).into_response();
        assert_eq!(busy.status(), 503);
        assert_eq!(busy.headers()[RETRY_AFTER], "1");
        assert_eq!(busy.headers()[CONTENT_TYPE], "application/problem+json");
        let failed = JobError::Failed(Failure::new("no")).into_response();
        assert_eq!((failed.status().as_u16(), failed.headers().contains_key(RETRY_AFTER)), (422, false));
    }
}
