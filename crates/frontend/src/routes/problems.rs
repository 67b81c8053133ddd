//! The page that the `type` of a problem points to: an explanation for the person who follows it.

use super::text;
use crate::kind::Kind;
use crate::problem::Problem;
use axum::response::Response;
use http::{StatusCode, Uri};

/// Serves `GET /problems/{name}`.
pub(super) async fn explain(uri: Uri) -> Result<Response, Problem> {
    // Names need no decoding, so the path is taken as it stands.
    let name = uri.path().trim_start_matches("/problems/");
    let kind = Kind::named(name).ok_or_else(unknown)?;
    let (title, explanation) = (kind.title(), kind.explanation());
    Ok(text(format!("{name}: {title}.\n\n{explanation}\n")))
}

fn unknown() -> Problem {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let detail = format!("failed to find this type of problem; there are: {}", names.join(", "));
    Problem::new(Kind::NotFound, StatusCode::NOT_FOUND, detail)
}
