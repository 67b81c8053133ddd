//! Conditional requests: a client that has an answer already is told so. Does not: know what is answered.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

/// Returns whether the client has the version with this tag. `If-None-Match` compares weakly (RFC 9110, 13.1.2).
pub(crate) fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let is_same = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes() || tag == b"*";
    let mut tags =
        headers.get_all(IF_NONE_MATCH).iter().flat_map(|value| value.as_bytes().split(|&it| it == b','));
    tags.any(|tag| is_same(tag.trim_ascii()))
}

/// Returns an answer with its tag, or a 304 if the client has it.
pub(crate) fn answer(
    headers: &HeaderMap,
    etag: HeaderValue,
    caching: &'static str,
    answer: impl FnOnce() -> Response,
) -> Response {
    let mut response =
        if is_known(headers, &etag) { StatusCode::NOT_MODIFIED.into_response() } else { answer() };
    response.headers_mut().insert(ETAG, etag);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_the_answer_gets_none() {
        let status = |tags: &[&'static str]| {
            let headers = tags.iter().map(|tag| (IF_NONE_MATCH, HeaderValue::from_static(tag))).collect();
            let response =
                answer(&headers, HeaderValue::from_static("\"7\""), "no-cache", || "x".into_response());
            assert_eq!(
                (&response.headers()[ETAG], &response.headers()[CACHE_CONTROL]),
                (&"\"7\"".parse().unwrap(), &"no-cache".parse().unwrap())
            );
            response.status().as_u16()
        };
        for known in [&["\"7\""][..], &["W/\"7\""], &["\"6\", \"7\""], &["\"6\"", " \"7\""], &["*"]] {
            assert_eq!(status(known), 304, "{known:?}");
        }
        for new in [&[][..], &["\"6\""], &["7"], &[""]] {
            assert_eq!(status(new), 200, "{new:?}");
        }
    }
}
