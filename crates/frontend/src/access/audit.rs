//! The line that each order leaves in the log, at its end, however that comes.

use super::principal::Principal;
use axum::response::Response;
use http::request::Parts;
use std::future::Future;

/// An order that is carried out.
pub(super) struct Order {
    principal: Principal,
    peer: String,
    /// The method and the route.
    order: String,
    object: String,
    /// `None` of one that nobody waited for.
    status: Option<u16>,
}

impl Order {
    pub(super) fn new(route: &str, principal: Principal, peer: String, head: &Parts) -> Self {
        let order = format!("{} {route}", head.method);
        Self { principal, peer, order, object: path_of(head), status: None }
    }

    pub(super) async fn run(mut self, answer: impl Future<Output = Response>) -> Response {
        let response = answer.await;
        self.status = Some(response.status().as_u16());
        response
    }
}

/// Returns the path of a request as a log may have it.
pub(super) fn path_of(head: &Parts) -> String {
    head.uri.path().chars().take(200).collect()
}

impl Drop for Order {
    fn drop(&mut self) {
        let Self { principal, peer, order, object, status } = self;
        let principal = &**principal.name();
        let result = status.map_or_else(|| "given up".to_owned(), |status| status.to_string());
        tracing::info!(target: "procpool::audit", principal, peer, order, object, result, "an order");
    }
}
