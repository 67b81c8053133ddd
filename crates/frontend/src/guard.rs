//! The middleware before every route: the request's head is well formed, no foreign web page asks, and the server has opened
//! what it needs for an answer. The rules are those of `head` and `origin`.

use crate::app::Shared;
use crate::head::{self, Ambiguous};
use crate::kind::Kind;
use crate::problem::Problem;
use crate::remote::Operator;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode, Version};
use std::sync::Arc;
use std::time::Duration;

/// The only route that answers everybody, under any name: it tells nothing of what is running, and a supervisor that
/// misses its answer kills the server. `/readyz` tells what pools there are.
pub(crate) const OPEN: &str = "/livez";

/// The other route of probes, which says why the server is not ready.
pub(crate) const READY: &str = "/readyz";

/// Time after which a server that is opening may have done so.
const SOON: Duration = Duration::from_secs(1);

/// The pages that show the pools and describe the routes. A link on another site may lead to them: they tell nothing, and what
/// they ask for, they ask for themselves.
pub(crate) const PAGES: [&str; 2] = ["/dashboard", "/docs"];

/// Refuses foreign requests, and those that come too early, as the middleware of all routes.
pub(crate) async fn refuse_foreign(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    if request.extensions().get::<Ambiguous>().is_some() {
        return malformed(Ambiguous::problem(), request.version());
    }
    let host = match head::check(request.version(), request.uri(), request.headers()) {
        Ok(host) => host,
        Err(problem) => return malformed(problem, request.version()),
    };
    // No page reaches the orders socket, under whatever name it is asked.
    let is_open = request.uri().path() == OPEN
        || PAGES.contains(&request.uri().path())
        || request.extensions().get::<Operator>().is_some();
    match shared.origin.check(host.as_ref(), request.headers()) {
        Err(problem) if !is_open => problem.into_response(),
        _ => match early(&shared, request.uri().path()) {
            Some(early) => early,
            None => next.run(request).await,
        },
    }
}

/// Returns the answer to every request but those of probes while the server opens what it needs for its answers.
fn early(shared: &Shared, path: &str) -> Option<Response> {
    if !shared.app.health.is_opening() || [OPEN, READY].contains(&path) {
        return None;
    }
    let detail =
        "the server is opening its store of jobs, or connecting to its cluster; come back when it is done";
    let problem = Problem::new(Kind::NotReady, StatusCode::SERVICE_UNAVAILABLE, detail)
        .with("reason", "opening")
        .retry_after(Some(SOON));
    Some(problem.into_response())
}

/// Answers a malformed request. Where a request's body ends is not certain if its head is not, so nothing
/// after it is read. HTTP/2 frames each request.
fn malformed(problem: Problem, version: Version) -> Response {
    let mut response = problem.into_response();
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
