//! The head of a request, read strictly: whom it asks and how its body is framed. hyper takes more than it has to, and
//! what two programs on a request's way read differently is how one is deceived. Judges no host.

use crate::kind::Kind;
use crate::problem::Problem;
use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri, Version};

/// Marks a request whose head told the length of its body in two ways, of which hyper has hidden one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ambiguous;

impl Ambiguous {
    pub(crate) fn problem() -> Problem {
        malformed(
            "it tells the length of its body twice, by `Content-Length` and `Transfer-Encoding` or with too many digits",
        )
    }
}

/// Returns the host that the request asks: HTTP/2's `:authority` or an absolute URI's, or else `Host`. `None` only in
/// HTTP/1.0.
///
/// # Errors
/// A 400 problem if the host is missing, malformed or there twice with different values, or if the body is coded in
/// any way but `chunked`.
pub(crate) fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, Problem> {
    check_codings(headers)?;
    asked(version, uri, headers)
}

/// Checks the transfer codings. hyper undoes `chunked` where that comes last, and passes the coding below it
/// on as if it were the body.
fn check_codings(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(only), None) if only.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(malformed("the only transfer coding that is taken is `chunked`, once")),
    }
}

fn asked(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => {
            Some(Authority::try_from(host.as_bytes()).ok().filter(is_strict).ok_or_else(|| {
                malformed("`Host` is not a name or an address, with a port from 1 to 65535 or without")
            })?)
        }
        _ => return Err(malformed("`Host` stands there more than once")),
    };
    match (uri.authority(), named) {
        (Some(target), _) if !is_strict(target) => {
            Err(malformed("the host in its target is not a name or an address, with a port or without"))
        }
        (Some(target), Some(named)) if !is_same(target, &named, uri.scheme_str()) => {
            Err(malformed("its target and `Host` name two hosts"))
        }
        // HTTP/1.1 demands `Host` beside a target that names the host.
        (Some(_), None) | (None, None) if version == Version::HTTP_11 => Err(malformed("it has no `Host`")),
        (None, None) if version == Version::HTTP_2 => Err(malformed("it has no `:authority`")),
        (Some(target), _) => Ok(Some(target.clone())),
        (None, named) => Ok(named),
    }
}

/// Returns whether this is a host and perhaps a port, and nothing before, between or behind them. The type
/// also takes `user@host` and ports that are no numbers.
pub(crate) fn is_strict(authority: &Authority) -> bool {
    let (text, host) = (authority.as_str(), authority.host());
    let is_port = |port: &str| {
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        port.is_empty() || is_number && port.parse().is_ok_and(|port: u16| port != 0)
    };
    match text.strip_prefix(host) {
        _ if host.is_empty() || text.contains('@') => false,
        Some("") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(is_port),
        None => false,
    }
}

fn is_same(one: &Authority, other: &Authority, scheme: Option<&str>) -> bool {
    let default_port = if scheme == Some("https") { 443 } else { 80 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    one.host().eq_ignore_ascii_case(other.host()) && port(one) == port(other)
}

fn malformed(reason: &str) -> Problem {
    let detail = format!("failed to read the request's head: {reason}");
    Problem::new(Kind::BadRequest, StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn read(version: Version, uri: &str, headers: &[(&str, &str)]) -> Result<Option<String>, u64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        match check(version, &uri.parse().unwrap(), &map) {
            Ok(host) => Ok(host.map(|host| host.to_string())),
            Err(problem) => Err(serde_json::to_value(&problem).unwrap()["status"].as_u64().unwrap()),
        }
    }

    fn host(host: &str) -> bool {
        read(Version::HTTP_11, "/", &[("host", host)]).is_ok()
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for good in ["localhost", "LOCALHOST:3000", "127.0.0.1:1", "[::1]", "[::1]:65535", "a.b-c_d.", "h:"] {
            assert!(host(good), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "evil.example@127.0.0.1",
            "@localhost",
            "a:b@localhost",
            "localhost:abc",
            "localhost:99999999",
            "localhost:65536",
            "localhost:0",
            "localhost:-1",
            "localhost:+80",
            "localhost:80:80",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]80",
            "a/b",
            "http://a",
            "localhost:8 0",
        ] {
            assert!(!host(bad), "{bad}");
        }
    }

    #[test]
    fn a_host_is_there_once_and_there_it_has_to_be() {
        let (none, one, two) = ([], [("host", "h")], [("host", "h"), ("host", "h")]);
        assert_eq!(read(Version::HTTP_11, "/", &none), Err(400));
        assert_eq!(read(Version::HTTP_2, "/", &none), Err(400));
        assert_eq!(read(Version::HTTP_10, "/", &none), Ok(None));
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert_eq!(read(version, "/", &one), Ok(Some("h".into())));
            assert_eq!(read(version, "/", &two), Err(400));
        }
    }

    #[test]
    fn a_target_and_a_host_name_the_same() {
        let read = |uri, host| read(Version::HTTP_11, uri, &[("host", host)]);
        for (uri, host) in
            [("http://h/", "h"), ("http://h/", "H:80"), ("http://h:80/", "h"), ("https://h/", "h:443")]
        {
            assert!(read(uri, host).is_ok(), "{uri} {host}");
        }
        for (uri, host) in [
            ("http://h/", "evil"),
            ("http://evil/", "h"),
            ("http://h:1/", "h"),
            ("http://h/", "h:443"),
            ("http://u@h/", "h"),
            ("http://u:p@h/", "u:p@h"),
            ("http://h:x/", "h"),
        ] {
            assert_eq!(read(uri, host), Err(400), "{uri} {host}");
        }
        let absolute = super::tests::read(Version::HTTP_11, "http://h/", &[]);
        assert_eq!(absolute, Err(400), "HTTP/1.1 demands both");
        assert_eq!(super::tests::read(Version::HTTP_2, "http://h/", &[]), Ok(Some("h".into())));
    }

    #[test]
    fn a_body_is_chunked_or_not_coded_at_all() {
        let coded = |codings: &[&str]| {
            let codings = codings.iter().map(|coding| ("transfer-encoding", *coding));
            let headers: Vec<_> = codings.chain([("host", "h")]).collect();
            read(Version::HTTP_11, "/", &headers).is_ok()
        };
        assert!(coded(&[]) && coded(&["chunked"]) && coded(&["Chunked"]) && coded(&[" chunked "]));
        for codings in [
            &["gzip, chunked"][..],
            &["identity, chunked"],
            &["chunked, chunked"],
            &["chunked", "chunked"],
            &["gzip", "chunked"],
            &["identity"],
            &[""],
            &["chunked;q=1"],
            &[",chunked"],
            &["chunked,"],
        ] {
            assert!(!coded(codings), "{codings:?}");
        }
    }
}
