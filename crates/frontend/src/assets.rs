//! Files of a page that are part of the program: with their tags, so that a browser asks for each only once, and with a
//! policy that lets the page load nothing else.

use crate::conditional;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(crate) const STYLE: &str = "text/css; charset=utf-8";

/// A file of a page.
#[derive(Debug)]
pub(crate) struct File {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    /// Every browser takes such a file. A client that does not is served no worse than by a refusal.
    is_compressed: bool,
    /// Computed once: hashing the largest one takes a millisecond.
    tag: OnceLock<HeaderValue>,
}

impl File {
    pub(crate) const fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        Self { name, content_type, bytes, is_compressed: false, tag: OnceLock::new() }
    }

    /// Returns a file whose bytes are compressed by gzip.
    pub(crate) const fn compressed(
        name: &'static str,
        content_type: &'static str,
        bytes: &'static [u8],
    ) -> Self {
        Self { name, content_type, bytes, is_compressed: true, tag: OnceLock::new() }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the file, or a 304 to a browser that has it.
    pub(crate) fn answer(&self, headers: &HeaderMap, policy: &'static str) -> Response {
        // The names stay the same from version to version, so each use asks whether the file does.
        let mut response = conditional::answer(headers, self.tag(), "no-cache", || {
            let mut response = Body::from(Bytes::from_static(self.bytes)).into_response();
            set(&mut response, CONTENT_TYPE, self.content_type);
            if self.is_compressed {
                set(&mut response, CONTENT_ENCODING, "gzip");
            }
            response
        });
        set(&mut response, CONTENT_SECURITY_POLICY, policy);
        set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(&mut response, REFERRER_POLICY, "no-referrer");
        response
    }

    fn tag(&self) -> HeaderValue {
        let tag = self.tag.get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            self.bytes.hash(&mut hasher);
            crate::answer::ascii(format!("\"{:016x}\"", hasher.finish()))
        });
        tag.clone()
    }
}

fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
