//! Who may ask: every program, and web pages of this very server, but no other web page.
//!
//! A browser sends `curl -d`'s content type to any address without asking first, so a foreign page
//! could keep the workers of every local procpool busy. Browsers say where a request comes from, in
//! `Origin` and `Sec-Fetch-Site`; what says nothing is not a browser. A page whose own name resolves to
//! 127.0.0.1 (DNS rebinding) passes for the same origin, could read what the status tells, and is known by that
//! name in `Host`.

use crate::head;
use crate::kind::Kind;
use crate::problem::Problem;
use http::header::{ORIGIN, REFERER};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};
use std::net::{IpAddr, Ipv6Addr};

/// Decides which requests are foreign to this server.
pub(crate) struct OriginRule {
    /// Names under which the server may be asked, if that matters.
    names: Option<Vec<String>>,
}

impl OriginRule {
    /// Returns the rule of a server that is bound to `address` and may also be asked as one of `allowed`.
    ///
    /// An unknown address counts as loopback, the stricter case.
    pub(crate) fn new(address: Option<IpAddr>, allowed: &[String]) -> Self {
        let loopback = address.is_none_or(|address| address.to_canonical().is_loopback());
        Self { names: (loopback || !allowed.is_empty()).then(|| allowed.to_vec()) }
    }

    /// Returns the rule of a server on a Unix socket, which no name leads to. One behind a proxy may have its names `allowed`.
    pub(crate) fn of_unix_socket(allowed: &[String]) -> Self {
        Self { names: (!allowed.is_empty()).then(|| allowed.to_vec()) }
    }

    /// Checks a request. `host` is the host that its head names.
    ///
    /// # Errors
    /// A 403 problem that says which header is foreign, and the way out.
    pub(crate) fn check(&self, host: Option<&Authority>, headers: &HeaderMap) -> Result<(), Problem> {
        if let (Some(host), Some(names)) = (host, &self.names)
            && !is_own_name(host.host(), names)
        {
            let host: String = host.as_str().chars().take(200).collect();
            return Err(foreign(&format!("Host `{host}` is not a name of this server"), NAME_IT));
        }
        for site in headers.get_all("sec-fetch-site") {
            if site != "same-origin" && site != "none" {
                return Err(foreign("Sec-Fetch-Site says that another site is asking", OPEN_IT));
            }
        }
        for origin in headers.get_all(ORIGIN) {
            let same = host.zip(origin.to_str().ok());
            if !same.is_some_and(|(host, origin)| is_same(origin, host)) {
                return Err(foreign("Origin is not the origin of this server", OPEN_IT));
            }
        }
        Ok(())
    }
}

/// Returns whether `Referer` is a page of another site than the one at `host`.
pub(crate) fn referred_by_another(host: Option<&Authority>, headers: &HeaderMap) -> bool {
    let origin_of = |url: &str| url.match_indices('/').nth(2).map_or(url, |(end, _)| &url[..end]).to_owned();
    let is_own = |referrer: &str| host.is_some_and(|host| is_same(&origin_of(referrer), host));
    headers.get_all(REFERER).iter().any(|referrer| !referrer.to_str().is_ok_and(is_own))
}

fn is_own_name(host: &str, allowed: &[String]) -> bool {
    if is_address(host) {
        return true;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || allowed.iter().any(|name| name.eq_ignore_ascii_case(host))
}

fn is_address(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match v6 {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok(),
    }
}

/// Returns whether `origin` (`scheme://host[:port]`, or `null`) is the origin at `host`, which names no
/// scheme: in front of a proxy that ends TLS it is https, and a default port stands in neither or in `Host`
/// only.
fn is_same(origin: &str, host: &Authority) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Some(origin) = authority.parse::<Authority>().ok().filter(head::is_strict) else {
        return false;
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    origin.host().eq_ignore_ascii_case(host.host()) && port(&origin) == port(host)
}

const NAME_IT: &str = "ask by an IP address or localhost, or name it in `allowed_hosts`";
const OPEN_IT: &str = "type the address into the browser, or ask with a program such as curl";

fn foreign(reason: &str, way_out: &str) -> Problem {
    let detail =
        format!("failed to take the request: {reason}, and other sites may not use this server; {way_out}");
    Problem::new(Kind::ForeignOrigin, StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue, Uri, Version};
    use std::net::Ipv4Addr;

    const LOOPBACK: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    const PUBLIC: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

    fn passes(address: Option<IpAddr>, allowed: &[&str], headers: &[(&'static str, &'static str)]) -> bool {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let host = head::check(Version::HTTP_10, &Uri::from_static("/compute"), &map);
        host.is_ok_and(|host| OriginRule::new(address, &allowed).check(host.as_ref(), &map).is_ok())
    }

    #[test]
    fn programs_that_say_nothing_of_themselves_pass() {
        assert!(passes(LOOPBACK, &[], &[]));
        assert!(passes(LOOPBACK, &[], &[("host", "127.0.0.1:3000")]));
    }

    #[test]
    fn an_origin_is_compared_with_the_host_whatever_the_scheme_and_the_default_port() {
        for (host, origin, same) in [
            ("h:3000", "http://h:3000", true),
            ("H:3000", "http://h:3000", true),
            ("h", "https://h", true),
            ("h:443", "https://h", true),
            ("h:80", "https://h", false),
            ("h:3000", "http://h:3001", false),
            ("h:3000", "http://h.evil:3000", false),
            ("h", "null", false),
            ("h", "", false),
            ("h", "chrome-extension://h", false),
            ("h:3000", "http://evil@h:3000", false),
            ("h:80", "http://h:x", false),
            ("h:80", "http://h:99999", false),
            ("h", "http://h/", false),
        ] {
            assert_eq!(passes(PUBLIC, &[], &[("host", host), ("origin", origin)]), same, "{host} {origin}");
        }
        assert!(!passes(PUBLIC, &[], &[("origin", "http://h")]), "no host to compare with");
        let two = [("host", "h"), ("origin", "http://h"), ("origin", "http://evil")];
        assert!(!passes(PUBLIC, &[], &two));
    }

    #[test]
    fn a_fetch_from_any_other_site_is_foreign() {
        for (site, passing) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false), ("", false)]
        {
            assert_eq!(passes(PUBLIC, &[], &[("sec-fetch-site", site)]), passing, "{site}");
        }
    }

    #[test]
    fn a_loopback_server_answers_only_to_addresses_localhost_and_allowed_names() {
        for host in ["127.0.0.1", "[::1]:3000", "10.1.2.3:80", "localhost:3000", "LOCALHOST", "localhost."] {
            assert!(passes(LOOPBACK, &[], &[("host", host)]), "{host}");
        }
        for host in [
            "evil.example:3000",
            "localhost.evil",
            "127.0.0.1.evil",
            "[evil]",
            "",
            "127.0.0.1.",
            "evil@127.0.0.1",
        ] {
            assert!(!passes(LOOPBACK, &[], &[("host", host)]), "{host}");
        }
        let rebound = [("host", "evil.example"), ("origin", "http://evil.example")];
        assert!(!passes(LOOPBACK, &[], &rebound));
        assert!(passes(LOOPBACK, &["Jobs.example"], &[("host", "jobs.example:3000")]));
        assert!(passes(PUBLIC, &[], &[("host", "jobs.example")]));
        assert!(!passes(PUBLIC, &["jobs.example"], &[("host", "evil.example")]));
        assert!(!passes(PUBLIC, &[], &[("host", "a"), ("host", "b")]), "two hosts");
    }
}
