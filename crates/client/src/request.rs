//! A request as a value: method, target, headers and body. Does not: send it.

use crate::target::Target;
use crate::upload::Upload;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;

/// A request to a server, without what every request has.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: Target,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Upload,
}

impl Request {
    /// Returns a request without a body.
    #[must_use]
    pub fn new(method: Method, target: Target) -> Self {
        Self { method, target, headers: Vec::new(), body: Upload::empty() }
    }

    /// Returns a `GET`.
    #[must_use]
    pub fn get(target: Target) -> Self {
        Self::new(Method::GET, target)
    }

    /// Returns a `POST` without a body.
    #[must_use]
    pub fn post(target: Target) -> Self {
        Self::new(Method::POST, target)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a body of this type.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: Upload) -> Self {
        self.body = body;
        self.header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// Adds JSON as the body.
    #[must_use]
    pub fn json(self, content_type: &'static str, value: &Value) -> Self {
        self.body(content_type, Upload::full(value.to_string()))
    }

    /// Returns method and target, as a log would show them.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}
