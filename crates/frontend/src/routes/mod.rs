//! The map: every route, and what closes them. Each file beside this one is a family of routes.

mod health;
mod job;
mod jobs;
mod orders;
mod pools;
mod problems;
mod quarantine;
mod seed;

use crate::app::Shared;
use crate::guard;
use crate::kind::Kind;
use crate::local;
use crate::problem::Problem;
use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, patch, post};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode, Uri};
use procpool_protocol::printable::printable_json;
use std::sync::Arc;

/// Returns all routes. A route that is added here is closed to foreign pages.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(seed::ok))
        .route("/compute", any(seed::compute))
        .route("/v1/pools/{pool}/jobs", post(jobs::create))
        .route("/v1/jobs/{id}", get(job::show).delete(job::cancel))
        .route("/v1/jobs/{id}/result", get(job::result))
        .route("/v1/pools", get(pools::all))
        .route("/v1/pools/{pool}", get(pools::one))
        .route("/v1/pools/{pool}/workers", get(pools::workers))
        .route(guard::OPEN, get(health::live))
        .route("/readyz", get(health::ready))
        .route("/problems/{name}", get(problems::explain))
        .merge(for_operators(&shared))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(shared.clone(), guard::refuse_foreign))
        .with_state(shared)
}

/// Returns the routes for operators, which are closed to all who do not prove that they may give orders.
fn for_operators(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/pools/{pool}/reload", post(pools::reload))
        .route("/v1/pools/{pool}/pause", post(pools::pause))
        .route("/v1/pools/{pool}/resume", post(pools::resume))
        .route("/v1/pools/{pool}/drain", post(orders::drain))
        .route("/v1/pools/{pool}", patch(orders::patch))
        .route("/v1/workers/{worker}", delete(orders::end_worker))
        .route("/v1/pools/{pool}/quarantine", get(quarantine::list).delete(quarantine::clear))
        .route("/v1/pools/{pool}/quarantine/{fingerprint}", delete(quarantine::clear_one))
        .route_layer(from_fn_with_state(shared.clone(), local::refuse_unproved))
}

async fn not_found(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let detail = format!("failed to find `{path}`; jobs are sent with POST to /v1/pools/{{pool}}/jobs");
    Problem::new(Kind::NotFound, StatusCode::NOT_FOUND, detail)
}

/// Returns the problem of a wrong method. The router adds `Allow`.
async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let method: String = method.as_str().chars().take(32).collect();
    let detail =
        format!("failed to {method} `{path}`: it does not take this method; `Allow` lists its methods");
    Problem::new(Kind::MethodNotAllowed, StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// Returns a 200 of plain text.
fn text(body: impl Into<Body>) -> Response {
    with_type("text/plain; charset=utf-8", body)
}

/// Returns a 200 of JSON. Our own types can always be written. They hold names that others chose, and a
/// person may see the text.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Response {
    match serde_json::to_string(value) {
        Ok(body) => with_type("application/json", printable_json(&body).into_owned()),
        Err(error) => Problem::new(
            Kind::Internal,
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("failed to write the answer as JSON: {error}"),
        )
        .into_response(),
    }
}

fn with_type(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}
