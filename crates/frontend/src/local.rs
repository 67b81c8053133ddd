//! Who may change what is running: programs on this machine that ask it directly. There is no authentication, so
//! nobody who could come from another machine is let through, by whatever way. Knows no routes.
//!
//! A server that is bound to loopback is reached from elsewhere through a proxy on the same machine, or through a
//! kernel that was told to pass such packets on. What a proxy sends differs from what a local program sends in
//! more than one way, and each is enough to refuse: a false alarm costs a detour by SIGHUP.

use crate::app::Shared;
use crate::head;
use crate::kind::Kind;
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::uri::Authority;
use http::{HeaderName, StatusCode, Version};
use std::net::IpAddr;
use std::sync::Arc;

/// What proxies say of whom they ask for, beside everything that begins with [`FORWARDED`].
const PROXIES: [&str; 3] = ["forwarded", "x-real-ip", "via"];
const FORWARDED: &str = "x-forwarded-";

/// The other end of the connection that a request came on; none where the kernel did not know it any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

/// The middleware of every route that changes what is running.
pub(crate) async fn refuse_remote(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    if !shared.app.config.orders {
        return remote("the configuration says that nobody may do so by HTTP").into_response();
    }
    match check(shared.is_local, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// # Errors
/// A 403 problem that says by what the request is known to come from elsewhere, or that it may.
fn check<B>(is_local: bool, request: &http::Request<B>) -> Result<(), Problem> {
    if !is_local {
        return Err(remote("the server is not bound to loopback"));
    }
    let peer = request.extensions().get().and_then(|Peer(peer)| *peer);
    if !peer.is_some_and(is_loopback) {
        return Err(remote("the connection does not come from a loopback address"));
    }
    if let Some(name) = request.headers().keys().find(|name| is_of_a_proxy(name)) {
        return Err(remote(&format!("`{name}` says that a proxy has passed it on")));
    }
    // nginx asks with this version unless it is told otherwise, and adds none of the headers.
    if request.version() < Version::HTTP_11 {
        return Err(remote("HTTP/1.0 is what proxies ask with"));
    }
    match head::check(request.version(), request.uri(), request.headers())? {
        Some(host) if !is_of_loopback(&host) => {
            let reason = format!("`{host}` is not a loopback address, so a proxy may have passed it on");
            Err(remote(&reason))
        }
        _ => Ok(()),
    }
}

fn is_of_a_proxy(name: &HeaderName) -> bool {
    PROXIES.contains(&name.as_str()) || name.as_str().starts_with(FORWARDED)
}

/// Names from `allowed_hosts` do not count: they are there for what comes through a proxy.
fn is_of_loopback(host: &Authority) -> bool {
    let name = host.host();
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback)
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn remote(reason: &str) -> Problem {
    let detail = format!(
        "failed to change what is running: {reason}, and there is no authentication; ask on this machine by a \
         loopback address without a proxy between, or send the process SIGHUP"
    );
    Problem::new(Kind::NotLocal, StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn passes(is_local: bool, peer: Option<Peer>) -> bool {
        let mut request = Request::post("/v1/pools/fib/reload").header("host", "localhost").body(()).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        check(is_local, &request).is_ok()
    }

    #[test]
    fn an_order_comes_from_a_loopback_address_to_a_loopback_address() {
        let home =
            [Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(127, 1, 2, 3).into(), Ipv6Addr::LOCALHOST.into()];
        for peer in home.into_iter().chain([Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()]) {
            assert!(passes(true, Some(Peer(Some(peer)))), "{peer}");
            assert!(!passes(false, Some(Peer(Some(peer)))), "others can reach it, too: {peer}");
        }
        for peer in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7"] {
            assert!(!passes(true, Some(Peer(Some(peer.parse().unwrap())))), "{peer}");
        }
        assert!(!passes(true, Some(Peer(None))) && !passes(true, None), "nobody knows whence it came");
    }
}
