//! The OpenAPI document as a page, by Swagger UI. Its files are part of the program and come from no other host; its script
//! reads the document as any client does.

use crate::assets::{File, SCRIPT, STYLE};
use crate::kind::Kind;
use crate::params::NoParameters;
use crate::problem::Problem;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};

/// The page may load and ask this server alone. Swagger UI's pictures are in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static PAGE: File =
    File::new("docs.html", "text/html; charset=utf-8", include_bytes!("../../assets/docs/docs.html"));

static FILES: [File; 4] = [
    File::new("docs.js", SCRIPT, include_bytes!("../../assets/docs/docs.js")),
    File::new("docs.css", STYLE, include_bytes!("../../assets/docs/docs.css")),
    File::compressed(
        "swagger-ui-bundle.js",
        SCRIPT,
        include_bytes!("../../assets/vendor/swagger-ui-dist/swagger-ui-bundle.js.gz"),
    ),
    File::compressed(
        "swagger-ui.css",
        STYLE,
        include_bytes!("../../assets/vendor/swagger-ui-dist/swagger-ui.css.gz"),
    ),
];

/// Serves `GET /docs`.
pub(super) async fn page(_: NoParameters, headers: HeaderMap) -> Response {
    PAGE.answer(&headers, POLICY)
}

/// Serves `GET /docs/{file}`.
pub(super) async fn file(_: NoParameters, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    // Names need no decoding, so the path is taken as it stands.
    let name = uri.path().trim_start_matches("/docs/");
    let file = FILES.iter().find(|file| file.name() == name).ok_or_else(unknown)?;
    Ok(file.answer(&headers, POLICY))
}

fn unknown() -> Problem {
    let names = FILES.each_ref().map(File::name).join(", ");
    let detail = format!("failed to find this file of the page at /docs; there are: {names}");
    Problem::new(Kind::NotFound, StatusCode::NOT_FOUND, detail)
}
