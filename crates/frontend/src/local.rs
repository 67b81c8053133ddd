//! Who may change what is running, and see what is for operators alone. Everybody on a machine reaches its loopback addresses, and a proxy makes everybody one of
//! them, so an address proves nothing: an order comes from a process of this user or of root, by the kernel's word, or it
//! brings the token of the configuration. Knows no routes.

use crate::app::Shared;
use crate::config::HttpConfig;
use crate::kind::Kind;
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;

/// The other end of the TCP connection that a request came on; none where the kernel did not know it any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

/// The process at the other end of the orders socket, which the kernel has named and the socket has let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator {
    pub(crate) uid: u32,
    pub(crate) pid: Option<i32>,
}

/// The middleware of every route for operators.
pub(crate) async fn refuse_unproved(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let path: String = request.uri().path().chars().take(200).collect();
    let peer = request.extensions().get().and_then(|Peer(peer)| *peer);
    if let Some(Operator { uid, pid }) = request.extensions().get() {
        tracing::info!(?path, uid, ?pid, "an order by the orders socket");
        return next.run(request).await;
    }
    match check(&shared.app.config, request.headers()) {
        Ok(()) => {
            tracing::info!(?path, ?peer, "an order with the token");
            next.run(request).await
        }
        Err(reason) => {
            tracing::warn!(?path, ?peer, "refused an order: {reason}");
            unproved(reason).into_response()
        }
    }
}

/// # Errors
/// What is missing.
fn check(config: &HttpConfig, headers: &HeaderMap) -> Result<(), &'static str> {
    let Some(token) = &config.orders_token else {
        return Err("over TCP nobody may, as the configuration names no token");
    };
    match bearer(headers) {
        None => Err("over TCP it needs the token, as `Authorization: Bearer …`"),
        Some(given) if token.is(given) => Ok(()),
        Some(_) => Err("the token is not that of the configuration"),
    }
}

/// The token of the only `Authorization`.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (given.next(), given.next()) else {
        return None;
    };
    let (scheme, token) = only.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

fn unproved(reason: &str) -> Problem {
    let detail = format!(
        "failed to take the order: {reason}; ask by the socket that `orders` in the configuration names \
         (curl --unix-socket …), or with the token of `orders_token_file`, or, for a reload, send the process SIGHUP"
    );
    Problem::new(Kind::NotLocal, StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::OrdersToken;
    use http::HeaderValue;

    const TOKEN: &str = "0123456789abcdef";

    fn passes(has_token: bool, given: &[&str]) -> bool {
        let orders_token = has_token.then(|| OrdersToken::new(TOKEN).unwrap());
        let config = HttpConfig { orders_token, ..HttpConfig::default() };
        let headers = given.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap()));
        let mut map = HeaderMap::new();
        map.extend(headers);
        check(&config, &map).is_ok()
    }

    #[test]
    fn over_tcp_the_token_counts_and_nothing_else() {
        for right in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef", "BEARER  0123456789abcdef "] {
            assert!(passes(true, &[right]), "{right}");
            assert!(!passes(false, &[right]), "the configuration has none");
        }
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "0123456789abcdef",
            "Basic 0123456789abcdef",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 0123456789abcdef, Bearer x",
            "Bearer\t0123456789abcdef",
        ] {
            assert!(!passes(true, &[wrong]), "{wrong}");
        }
        assert!(!passes(true, &[]));
        let right = "Bearer 0123456789abcdef";
        assert!(!passes(true, &[right, right]), "two are none");
    }
}
