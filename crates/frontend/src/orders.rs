//! Who may change what is running: whoever is on this machine, as far as that can be told without authentication.

use crate::app::Shared;
use crate::kind::Kind;
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;

/// What proxies add to a request. One that adds none of these, and there are such, cannot be told from a program on this
/// machine; a server behind it takes no orders at all ([`HttpConfig::orders`](crate::HttpConfig::orders)).
const FORWARDED: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// The middleware of every route that changes what is running.
pub(crate) async fn refuse_remote(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    match shared.orders.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => {
            let detail = format!("failed to change what is running: {why}");
            Problem::new(Kind::NotLocal, StatusCode::FORBIDDEN, detail).into_response()
        }
    }
}

/// Whose orders are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Orders {
    /// Those of programs on this machine.
    OfThisMachine,
    /// Nobody's: others can reach the server.
    Reachable,
    /// Nobody's: the configuration says so.
    Off,
}

impl Orders {
    /// The rule of a server that is bound to `address`. An unknown one counts as reachable, the stricter case.
    pub(crate) fn new(is_on: bool, address: Option<IpAddr>) -> Self {
        match address.is_some_and(|address| address.to_canonical().is_loopback()) {
            _ if !is_on => Self::Off,
            true => Self::OfThisMachine,
            false => Self::Reachable,
        }
    }

    fn check(self, headers: &HeaderMap) -> Result<(), String> {
        match self {
            Self::Off => Err("the configuration says that nobody may do so by HTTP".into()),
            Self::Reachable => {
                Err("the server is not bound to loopback, and there is no authentication".into())
            }
            Self::OfThisMachine => match FORWARDED.iter().find(|&&header| headers.contains_key(header)) {
                Some(header) => Err(format!("the header `{header}` says that a proxy passed the request on")),
                None => Ok(()),
            },
        }
    }
}
