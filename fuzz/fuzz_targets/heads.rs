//! Feeds what judges the head of an HTTP request, with a head that was parsed as hyper does. Whom a request asks and
//! whether a foreign page asks is found out a second time, by plainer means, and has to be the same.

#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version};
use libfuzzer_sys::fuzz_target;
use procpool_frontend::fuzzing::{Judged, judge};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

const MAX_HEADERS: usize = 32;

const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fuzz_target!(|input: &[u8]| {
    // The first byte chooses the version, which does not have to be that of the head.
    let Some((version, head)) = input.split_first() else { return };
    let version = [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2][usize::from(*version) % 3];
    let Some((uri, headers)) = parsed(head) else { return };
    let Some(judged) = judge(version, &uri, &headers) else { return };
    asks_for_one_host(version, &uri, &headers, &judged);
    is_not_foreign(&headers, &judged);
    let limits = judged.limits.iter().flat_map(|limits| [limits.timeout, limits.run_timeout]).flatten();
    limits.for_each(|limit| assert!(limit > Duration::ZERO && limit <= A_YEAR, "{limit:?}"));
});

fn parsed(head: &[u8]) -> Option<(Uri, HeaderMap)> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut lines);
    request.parse(head).ok()?.is_complete().then_some(())?;
    let mut headers = HeaderMap::new();
    for line in &*request.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(line.value).ok()?);
    }
    Some((request.path?.parse().ok()?, headers))
}

fn asks_for_one_host(version: Version, uri: &Uri, headers: &HeaderMap, judged: &Judged) {
    let hosts: Vec<_> = headers.get_all("host").iter().collect();
    assert!(hosts.len() <= 1, "{hosts:?}");
    assert!(hosts.len() == 1 || version != Version::HTTP_11, "HTTP/1.1 without `Host`");
    let Some(host) = &judged.host else {
        return assert_eq!((version, hosts.len(), uri.authority()), (Version::HTTP_10, 0, None));
    };
    assert!(!host.contains(['@', '/', ' ', '?', '#', '\\']), "{host}");
    let (name, port) = split(host);
    assert!(!name.is_empty() && port != Some(0), "{host}");
    if let [named] = hosts[..] {
        let named = named.to_str().expect("it was taken");
        assert!(split(named).0.eq_ignore_ascii_case(name), "{host} and {named}");
    }
    let codings = headers.get_all("transfer-encoding").iter().count();
    assert!(codings <= 1, "{codings} codings");
}

/// Pages come from an address or from localhost, and say so in `Origin`.
fn is_not_foreign(headers: &HeaderMap, judged: &Judged) {
    if judged.is_foreign {
        return;
    }
    if let Some(host) = &judged.host {
        let name = split(host).0;
        let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let is_address =
            inner.map_or(name.parse::<IpAddr>().is_ok(), |name| name.parse::<Ipv6Addr>().is_ok());
        assert!(is_address || name.trim_end_matches('.').eq_ignore_ascii_case("localhost"), "{host}");
    }
    for origin in headers.get_all("origin") {
        let origin = origin.to_str().expect("it was compared with the host");
        let authority = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
        let (name, _) = split(authority.expect("a page of the web"));
        let host = judged.host.as_deref().expect("somebody is asked");
        assert!(split(host).0.eq_ignore_ascii_case(name), "{origin} asks {host}");
    }
    assert!(headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin" || site == "none"));
}

/// The host and its port, if it has one.
fn split(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => {
            (name, Some(port).filter(|port| !port.is_empty()).map(|port| port.parse().expect("a port")))
        }
        _ => (authority, None),
    }
}
