//! The OpenAPI document as a page, by Swagger UI. Its files are part of the program and come from no other host; its script
//! reads the document as any client does.

use crate::conditional;
use crate::kind::Kind;
use crate::params::NoParameters;
use crate::problem::Problem;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The page may load and ask this server alone. Swagger UI's pictures are in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
struct File {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    /// Every browser takes such a file. A client that does not is served no worse than by a refusal.
    is_compressed: bool,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const PAGE: File = File {
    name: "",
    content_type: "text/html; charset=utf-8",
    bytes: include_bytes!("../../assets/docs/docs.html"),
    is_compressed: false,
};

const FILES: [File; 4] = [
    File {
        name: "docs.js",
        content_type: SCRIPT,
        bytes: include_bytes!("../../assets/docs/docs.js"),
        is_compressed: false,
    },
    File {
        name: "docs.css",
        content_type: STYLE,
        bytes: include_bytes!("../../assets/docs/docs.css"),
        is_compressed: false,
    },
    File {
        name: "swagger-ui-bundle.js",
        content_type: SCRIPT,
        bytes: include_bytes!("../../assets/vendor/swagger-ui-dist/swagger-ui-bundle.js.gz"),
        is_compressed: true,
    },
    File {
        name: "swagger-ui.css",
        content_type: STYLE,
        bytes: include_bytes!("../../assets/vendor/swagger-ui-dist/swagger-ui.css.gz"),
        is_compressed: true,
    },
];

/// Serves `GET /docs`.
pub(super) async fn page(_: NoParameters, headers: HeaderMap) -> Response {
    PAGE.answer(&headers)
}

/// Serves `GET /docs/{file}`.
pub(super) async fn file(_: NoParameters, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    // Names need no decoding, so the path is taken as it stands.
    let name = uri.path().trim_start_matches("/docs/");
    let file = FILES.iter().find(|file| file.name == name).ok_or_else(unknown)?;
    Ok(file.answer(&headers))
}

fn unknown() -> Problem {
    let names = FILES.map(|file| file.name).join(", ");
    let detail = format!("failed to find this file of the page at /docs; there are: {names}");
    Problem::new(Kind::NotFound, StatusCode::NOT_FOUND, detail)
}

impl File {
    fn answer(&self, headers: &HeaderMap) -> Response {
        let mut response = conditional::answer(headers, self.tag(), "no-cache", || {
            let mut response = Body::from(Bytes::from_static(self.bytes)).into_response();
            set(&mut response, CONTENT_TYPE, self.content_type);
            if self.is_compressed {
                set(&mut response, CONTENT_ENCODING, "gzip");
            }
            response
        });
        set(&mut response, CONTENT_SECURITY_POLICY, POLICY);
        set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(&mut response, REFERRER_POLICY, "no-referrer");
        response
    }

    /// Returns the tag of its bytes, which takes a fraction of a millisecond.
    fn tag(&self) -> HeaderValue {
        let mut hasher = DefaultHasher::new();
        self.bytes.hash(&mut hasher);
        crate::answer::ascii(format!("\"{:016x}\"", hasher.finish()))
    }
}

fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
