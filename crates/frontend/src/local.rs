//! Decides who may change what is running, and see what is for operators alone. Every user of a machine
//! reaches its loopback addresses, and a proxy makes every client one of them, so an address proves nothing.
//! An order comes from a process of this user or of root, as the kernel says, or it brings the token of the
//! configuration. Does not: know routes.
//!
//! A proxy of this user or of root is such a process, too. Its requests differ from a local program's in
//! several ways, and each is enough to refuse. A false alarm costs a detour by the orders socket or SIGHUP.

use crate::app::Shared;
use crate::config::HttpConfig;
use crate::credentials::Credentials;
use crate::head as heads;
use crate::kind::Kind;
use crate::owner::Ends;
use crate::problem::Problem;
use crate::remote::Peer;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, StatusCode, Version};
use std::net::IpAddr;
use std::sync::Arc;

/// Headers by which proxies name their client, beside every header that begins with one of [`PREFIXES`].
const PROXIES: [&str; 9] = [
    "cdn-loop",
    "forwarded",
    "proxy-connection",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-real-ip",
];
const PREFIXES: [&str; 5] = ["cf-", "x-amzn-", "x-envoy-", "x-forwarded", "x_forwarded"];

/// By what the sender of an order is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof {
    /// The orders socket, and the process that the kernel names.
    Socket(Credentials),
    Token,
    /// Over loopback, of this user.
    Process(u32),
    /// On the Unix socket on which the server listens.
    Unix(Credentials),
}

/// Returns the proof of a request that did not come by the orders socket.
///
/// # Errors
/// The proof that is missing, as a sentence.
pub(crate) async fn prove(shared: &Shared, head: &Parts) -> Result<Proof, String> {
    confirmed(claim(&shared.app.config, head)?, shared).await
}

/// Returns the kernel's proof of it alone.
///
/// # Errors
/// As [`prove`].
pub(crate) async fn by_kernel(shared: &Shared, head: &Parts) -> Result<Proof, String> {
    let owner = shared.app.config.orders_of.ok_or("here nobody may, as the configuration says")?;
    confirmed(direct(head, owner)?, shared).await
}

async fn confirmed(claim: Claim, shared: &Shared) -> Result<Proof, String> {
    match claim {
        Claim::Token => Ok(Proof::Token),
        Claim::OnSocket(process) => Ok(Proof::Unix(process)),
        Claim::Process(peer, ends, owner) => {
            may_order(peer.owner(ends, &shared.owners).await, owner).map(Proof::Process)
        }
    }
}

/// The proof that a request brings.
enum Claim {
    /// The right one.
    Token,
    /// That it was sent by a process of this user or of root, which the kernel has yet to confirm.
    Process(Arc<Peer>, Ends, u32),
    /// That it came by the Unix socket on which the server listens, which lets in nobody else.
    OnSocket(Credentials),
}

/// # Errors
/// The proof that is missing, as a sentence.
fn claim(config: &HttpConfig, head: &Parts) -> Result<Claim, String> {
    match (&config.orders_token, bearer(&head.headers), config.orders_of) {
        (Some(token), Some(given), _) if token.is(given) => Ok(Claim::Token),
        (Some(_), Some(_), _) => Err("the token is not that of the configuration".into()),
        (_, _, Some(owner)) => direct(head, owner),
        (Some(_), None, None) => Err("here it needs the token, as `Authorization: Bearer …`".into()),
        (None, _, None) => Err("here nobody may, as the configuration says".into()),
    }
}

/// Returns the proof, if a program on this machine has asked without a proxy.
///
/// # Errors
/// By what the request is known to come from elsewhere, or that it may.
fn direct(head: &Parts, owner: u32) -> Result<Claim, String> {
    if let Some(name) = head.headers.keys().find(|name| is_of_a_proxy(name)) {
        return Err(format!("`{name}` says that a proxy has passed it on"));
    }
    // nginx asks with this version unless it is told otherwise, and adds none of the headers.
    if head.version < Version::HTTP_11 {
        return Err("HTTP/1.0 is what proxies ask with".into());
    }
    let host = heads::check(head.version, &head.uri, &head.headers);
    if let Some(host) = host.ok().flatten().filter(|host| !is_of_loopback(host)) {
        return Err(format!("`{host}` is not a loopback address, so a proxy may have passed it on"));
    }
    let peer: Option<&Arc<Peer>> = head.extensions.get();
    if let Some(process) = peer.and_then(|peer| peer.process()) {
        return Ok(Claim::OnSocket(process));
    }
    let ends = peer.and_then(|peer| Some((peer.clone(), peer.ends()?)));
    ends.filter(|(_, ends)| ends.are_loopback())
        .map(|(peer, ends)| Claim::Process(peer, ends, owner))
        .ok_or_else(|| "the connection does not come from a loopback address to one".into())
}

/// # Errors
/// Whose process it is instead.
fn may_order(user: Option<u32>, owner: u32) -> Result<u32, String> {
    match user {
        Some(user) if user == owner || user == 0 => Ok(user),
        Some(user) => {
            Err(format!("user {user} asks, and over loopback those may who are user {owner} or root"))
        }
        None => Err("the system does not say whose process asks".into()),
    }
}

fn is_of_a_proxy(name: &HeaderName) -> bool {
    PROXIES.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
}

/// Names from `allowed_hosts` do not count: they are there for what comes through a proxy.
fn is_of_loopback(host: &Authority) -> bool {
    let name = host.host();
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback)
}

/// Returns the token of the only `Authorization`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (given.next(), given.next()) else {
        return None;
    };
    let (scheme, token) = only.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Returns the 403 of an order without proof. Of a token only a server tells that has one.
pub(crate) fn unproved(reason: &str, has_token: bool) -> Problem {
    let token = if has_token { "; or with the token of `orders_token_file`" } else { "" };
    let detail = format!(
        "failed to take the order: {reason}; ask as the server's user or as root: on this machine without a proxy \
         between (`orders = true`), by the socket that `orders` in the configuration names (curl --unix-socket …), or by \
         SIGHUP{token}"
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
        let mut request = http::Request::new(());
        let headers = given.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap()));
        request.headers_mut().extend(headers);
        matches!(claim(&config, &request.into_parts().0), Ok(Claim::Token))
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

    #[test]
    fn over_loopback_the_servers_user_and_root_give_orders_and_nobody_else() {
        for (user, owner, may) in [
            (Some(0), 0, true),
            (Some(0), 7, true),
            (Some(7), 7, true),
            (Some(8), 7, false),
            (Some(7), 0, false),
            (None, 0, false),
        ] {
            assert_eq!(may_order(user, owner).is_ok(), may, "{user:?} {owner}");
        }
    }

    #[test]
    fn what_a_proxy_may_have_passed_on_is_no_claim_though_its_process_is_the_servers_user() {
        let config = HttpConfig { orders_of: Some(0), ..HttpConfig::default() };
        let refusal = |version, name: &str, value: &str| {
            let request = http::Request::post("/v1/pools/fib/reload").version(version);
            let request = if name == "host" { request } else { request.header("host", "localhost") };
            let claim = claim(&config, &request.header(name, value).body(()).unwrap().into_parts().0);
            claim.err().expect("there is no connection")
        };
        let direct = "does not come from a loopback address";
        for host in ["localhost", "127.0.0.1:3000", "127.9.9.9", "[::1]:3000"] {
            assert!(refusal(Version::HTTP_11, "host", host).contains(direct), "{host}");
        }
        assert!(refusal(Version::HTTP_2, "user-agent", "curl").contains(direct));
        for host in ["jobs.example", "192.0.2.7", "localhost.", "evil.localhost"] {
            assert!(refusal(Version::HTTP_11, "host", host).contains("is not a loopback address"), "{host}");
        }
        for name in [
            "Forwarded",
            "Via",
            "X-Real-IP",
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X_Forwarded_For",
            "CF-Connecting-IP",
            "True-Client-IP",
            "X-Client-IP",
            "X-Envoy-External-Address",
            "X-Amzn-Trace-Id",
            "Proxy-Connection",
        ] {
            assert!(refusal(Version::HTTP_11, name, "1").contains("a proxy has passed it on"), "{name}");
        }
        assert!(refusal(Version::HTTP_10, "user-agent", "x").contains("HTTP/1.0"));
    }
}
