//! The session of somebody who uses the page: a token is exchanged for a cookie, which says who asks.

use super::json;
use crate::access::{begin_session, set_cookie, who};
use crate::app::Shared;
use crate::kind::Kind;
use crate::params::NoParameters;
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use std::sync::Arc;

/// Serves `GET /v1/session`: who asks, and what it may do. Answers everybody.
pub(super) async fn show(_: NoParameters, State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    unstored(json(&who(&shared, &head).await))
}

#[derive(Serialize)]
struct SignedIn {
    signed_in: bool,
}

/// Serves `POST /v1/session`: begins a session for the token in `Authorization`.
pub(super) async fn begin(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let secret = begin_session(&shared, &headers).map_err(|refusal| *refusal)?;
    let secret = secret.ok_or_else(|| no_random().into_response())?;
    tracing::info!("a session of the page has begun");
    Ok(with_cookie(&shared, Some(&secret), &SignedIn { signed_in: true }))
}

/// Serves `DELETE /v1/session`: ends the session of the request, if it has one.
pub(super) async fn end(_: NoParameters, State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    shared.sessions.end(&headers, shared.app.tls.is_some());
    with_cookie(&shared, None, &SignedIn { signed_in: false })
}

fn with_cookie(shared: &Shared, secret: Option<&str>, answer: &SignedIn) -> Response {
    let mut response = unstored(json(answer));
    let cookie = set_cookie(secret, shared.app.tls.is_some());
    response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    response
}

fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn no_random() -> Problem {
    let detail = "failed to begin the session: the system has no random numbers";
    Problem::new(Kind::Internal, StatusCode::INTERNAL_SERVER_ERROR, detail)
}
