//! From hyper's request to the router and back: what every request gets, whatever its route. A
//! handler's panic becomes an answer, and the request a line in the log: sizes and names only, since
//! bodies and queries are the user's data.

use crate::access_log::AccessLine;
use crate::activity::Exchange;
use crate::answer::{JOB_ID, SERVER_TIMING};
use crate::budget::{Budget, Share};
use crate::kind::Kind;
use crate::life::Sending;
use crate::metrics::{self, Traffic};
use crate::paced::{self, Paced};
use crate::problem::{ANSWERS_FULL, Problem, overloaded};
use crate::room::Place;
use crate::trace;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use tower::Service;

/// Maximum size of an answer that is sent though the budget of answers is spent, in bytes. This is for
/// problems and the answers to probes.
const ALWAYS_SENT: u64 = 16 * 1024;

/// Takes the requests of one connection to the router.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    router: Router,
    place: Arc<Place>,
    answers: Arc<Budget>,
    traffic: Arc<Traffic>,
}

impl Dispatcher {
    pub(crate) fn new(
        router: Router,
        place: Arc<Place>,
        answers: Arc<Budget>,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self { router, place, answers, traffic }
    }

    /// Answers one request. Dropping this future drops the handler, and with it the job.
    pub(crate) async fn dispatch(
        mut self,
        request: Request<Incoming>,
        exchange: Arc<Exchange>,
    ) -> Result<http::Response<Paced>, Infallible> {
        let has_body = !request.body().is_end_stream();
        let version = request.version();
        let line = RequestLine::of(&request);
        let trace = trace::of(request.headers());
        let access =
            (self.traffic.logs && !is_probe(&request)).then(|| AccessLine::of(&request, trace.as_ref()));
        let counted = Counted::of(self.traffic.clone(), &request, access);

        let mut response = if is_probe(&request) || self.place.admit().await {
            let request = request.map(Body::new);
            let answer = async { self.router.call(request).await.into_response() };
            catching(trace::within(trace, answer)).await
        } else {
            too_many().into_response()
        };
        if !self.place.is_admitted() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            self.place.leave();
        }
        let (response, share) = within(&self.answers, response);

        let sending = paced::sending(response.body(), version);
        // A live answer may end before its request does, such as when the server drains.
        let leaves_unread = has_body && (!response.status().is_success() || sending != Sending::Whole);
        exchange.answered(share, leaves_unread, sending);
        counted.answered(&response);
        line.log(&response);
        Ok(response.map(|body| Paced::new(body, version, exchange)))
    }
}

/// Returns whether this is one of the questions that are answered to everybody.
fn is_probe(request: &Request<Incoming>) -> bool {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    is_read && ["/livez", "/readyz"].contains(&request.uri().path())
}

/// Returns the answer, if the budget has room for it, with its share of that; or a refusal.
fn within(answers: &Arc<Budget>, response: Response) -> (Response, Share) {
    let mut share = answers.share();
    let size = response.body().size_hint().lower();
    if share.grow(size) {
        return (response, share);
    }
    let response = if size > ALWAYS_SENT { no_room(&response) } else { response };
    share.overdraw(response.body().size_hint().lower());
    (response, share)
}

/// Replaces an answer. Its statements about the job stay; a header does not say whether to run the job again.
fn no_room(answer: &Response) -> Response {
    let detail = "failed to pass the answer on: clients have not taken as many bytes of other answers as the server \
                  may hold (`max_answers`)";
    let of_job =
        [JOB_ID, SERVER_TIMING].map(|name| Some((name.clone(), answer.headers().get(name)?.clone())));
    let has_run = answer.headers().contains_key(JOB_ID);
    let refusal = overloaded(detail).with("reason", ANSWERS_FULL).may_have_run(has_run);
    let refusal = if has_run { refusal.retry_after(None) } else { refusal };
    let mut response = refusal.into_response();
    response.headers_mut().extend(of_job.into_iter().flatten());
    response
}

fn too_many() -> Problem {
    overloaded(
        "failed to accept the request: as many clients are connected as may be (`max_connections`), or as many \
                as may be from this address (`max_connections_per_peer`), and none of them is idle",
    )
    .with("reason", "connections_full")
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

/// A request that is counted and logged once: with its answer, or as 499 if it is dropped before, since its client left.
struct Counted {
    traffic: Arc<Traffic>,
    request: metrics::Request,
    access: Option<AccessLine>,
    is_answered: bool,
}

impl Counted {
    fn of(traffic: Arc<Traffic>, request: &Request<Incoming>, access: Option<AccessLine>) -> Self {
        let request = traffic.begin(request.method(), request.uri().path());
        Self { traffic, request, access, is_answered: false }
    }

    fn answered(mut self, response: &Response) {
        self.is_answered = true;
        self.count(response);
    }

    fn count(&mut self, response: &Response) {
        let took = self.traffic.end(&self.request, response.status());
        if let Some(access) = self.access.take() {
            access.log(self.traffic.route(&self.request), response, took);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let mut nothing = Response::new(Body::empty());
        *nothing.status_mut() = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
        self.count(&nothing);
    }
}

/// The fields that are logged of a request; collected only if the log line is written.
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
