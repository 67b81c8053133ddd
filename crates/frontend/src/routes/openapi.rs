//! The OpenAPI document.

use super::with_type;
use crate::access::Principal;
use crate::app::Shared;
use crate::conditional;
use crate::params::NoParameters;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use std::sync::Arc;

/// Serves `GET /openapi.json`: all routes, and the pools that the client may use.
pub(super) async fn document(
    _: NoParameters,
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    headers: HeaderMap,
) -> Response {
    let document = shared.documents.of(&shared, &principal).await;
    let answer = || with_type("application/json", document.text.clone());
    // Another client may see other pools.
    conditional::answer(&headers, document.etag.clone(), "private, no-cache", answer)
}
