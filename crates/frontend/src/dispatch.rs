//! From hyper's request to the router and back: what every request gets, whatever its route. A
//! handler's panic becomes an answer, and the request a line in the log: sizes and names only, since
//! bodies and queries are the user's data.

use crate::activity::InFlight;
use crate::kind::Kind;
use crate::problem::Problem;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use tower::Service;

/// Answers one request. Dropping this future drops the handler, and with it the job.
pub(crate) async fn dispatch(
    mut router: Router,
    request: Request<Incoming>,
    in_flight: InFlight,
) -> Result<Response, Infallible> {
    let has_body = !request.body().is_end_stream();
    let line = RequestLine::of(&request);

    let request = request.map(Body::new);
    let response = catching(async move { router.call(request).await.into_response() }).await;

    in_flight.leave_unread(has_body && !response.status().is_success());
    line.log(&response);
    Ok(response)
}

/// Runs a handler; if it panics, that is the answer.
async fn catching(handler: impl Future<Output = Response>) -> Response {
    let mut handler = std::pin::pin!(handler);
    poll_fn(|cx| {
        // The handler is not polled again after a panic, so nobody sees what it left half done.
        catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(panicked().into_response()))
    })
    .await
}

fn panicked() -> Problem {
    tracing::error!("a request handler panicked; the panic's message is on standard error");
    let detail = "failed to answer the request because of a bug in the server; see its log";
    Problem::new(Kind::Internal, StatusCode::INTERNAL_SERVER_ERROR, detail).may_have_run(true)
}

/// What the log says of a request; made only if somebody listens.
struct RequestLine(Option<(http::Method, String, Option<u64>)>);

impl RequestLine {
    fn of(request: &Request<Incoming>) -> Self {
        let wanted = tracing::enabled!(tracing::Level::DEBUG);
        Self(wanted.then(|| {
            let path = request.uri().path().chars().take(200).collect();
            (request.method().clone(), path, request.body().size_hint().exact())
        }))
    }

    fn log(self, response: &Response) {
        let Some((method, path, bytes_in)) = self.0 else {
            return;
        };
        let bytes_out = response.body().size_hint().exact();
        let status = response.status().as_u16();
        tracing::debug!(%method, ?path, status, ?bytes_in, ?bytes_out, "answered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panicking_handler_is_answered_with_a_problem() {
        let response = catching(async { panic!("a bug") }).await;
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}
