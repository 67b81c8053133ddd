//! The middleware before every route: the request's head is well formed, and no foreign web page asks. The rules are those
//! of `head` and `origin`.

use crate::app::Shared;
use crate::head::{self, Ambiguous};
use crate::problem::Problem;
use crate::remote::Operator;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONNECTION;
use http::{HeaderValue, Version};
use std::sync::Arc;

/// The only route that answers everybody, under any name: it tells nothing of what is running, and a supervisor that
/// misses its answer kills the server. `/readyz` tells what pools there are.
pub(crate) const OPEN: &str = "/livez";

/// The pages that show the pools and describe the routes. A link on another site may lead to them: they tell nothing, and what
/// they ask for, they ask for themselves.
pub(crate) const PAGES: [&str; 2] = ["/dashboard", "/docs"];

/// Refuses foreign requests, as the middleware of all routes.
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
        _ => next.run(request).await,
    }
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
