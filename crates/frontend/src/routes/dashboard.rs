//! The page that shows the pools. Its files are part of the program and tell nothing of what is running; its script asks
//! the server as any client does.

use crate::assets::{File, SCRIPT, STYLE};
use crate::kind::Kind;
use crate::params::NoParameters;
use crate::problem::Problem;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};
use std::sync::LazyLock;

/// The page loads from this server alone, and asks no other.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

macro_rules! own {
    ($type:expr, $name:literal) => {
        File::new($name, $type, include_bytes!(concat!("../../assets/dashboard/", $name)))
    };
}

static PAGE: File = own!("text/html; charset=utf-8", "index.html");

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    vec![
        own!("image/svg+xml", "icon.svg"),
        own!(STYLE, "style.css"),
        own!(STYLE, "panels.css"),
        File::compressed("uplot.css", STYLE, include_bytes!("../../assets/vendor/uplot/uPlot.min.css.gz")),
        File::compressed(
            "uplot.js",
            SCRIPT,
            include_bytes!("../../assets/vendor/uplot/uPlot.iife.min.js.gz"),
        ),
        File::compressed(
            "preact.js",
            SCRIPT,
            include_bytes!("../../assets/vendor/htm/standalone.module.js.gz"),
        ),
        own!(SCRIPT, "api.js"),
        own!(SCRIPT, "canvas.js"),
        own!(SCRIPT, "cells.js"),
        own!(SCRIPT, "chart.js"),
        own!(SCRIPT, "colours.js"),
        own!(SCRIPT, "copy.js"),
        own!(SCRIPT, "death.js"),
        own!(SCRIPT, "deaths.js"),
        own!(SCRIPT, "empty.js"),
        own!(SCRIPT, "example.js"),
        own!(SCRIPT, "features.js"),
        own!(SCRIPT, "find.js"),
        own!(SCRIPT, "format.js"),
        own!(SCRIPT, "grid.js"),
        own!(SCRIPT, "groups.js"),
        own!(SCRIPT, "header.js"),
        own!(SCRIPT, "help.js"),
        own!(SCRIPT, "hosts.js"),
        own!(SCRIPT, "keys.js"),
        own!(SCRIPT, "longest.js"),
        own!(SCRIPT, "main.js"),
        own!(SCRIPT, "model.js"),
        own!(SCRIPT, "nodes.js"),
        own!(SCRIPT, "now.js"),
        own!(SCRIPT, "orders.js"),
        own!(SCRIPT, "paint.js"),
        own!(SCRIPT, "pane.js"),
        own!(SCRIPT, "poll.js"),
        own!(SCRIPT, "pool.js"),
        own!(SCRIPT, "remembered.js"),
        own!(SCRIPT, "run.js"),
        own!(SCRIPT, "session.js"),
        own!(SCRIPT, "stack.js"),
        own!(SCRIPT, "states.js"),
        own!(SCRIPT, "stream.js"),
        own!(SCRIPT, "table.js"),
        own!(SCRIPT, "theme.js"),
        own!(SCRIPT, "timeline.js"),
        own!(SCRIPT, "toast.js"),
        own!(SCRIPT, "worker.js"),
    ]
});

/// Serves `GET /dashboard`.
pub(super) async fn page(headers: HeaderMap) -> Response {
    PAGE.answer(&headers, POLICY)
}

/// Serves `GET /dashboard/{file}`.
pub(super) async fn file(_: NoParameters, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    // Names need no decoding, so the path is taken as it stands.
    let name = uri.path().trim_start_matches("/dashboard/");
    let file = FILES.iter().find(|file| file.name() == name).ok_or_else(unknown)?;
    Ok(file.answer(&headers, POLICY))
}

fn unknown() -> Problem {
    let detail = "failed to find this file of the page at /dashboard; a page of an older server may ask for it: load it again";
    Problem::new(Kind::NotFound, StatusCode::NOT_FOUND, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/dashboard");
        let names =
            std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
        let is_served = |name: &str| {
            let with_suffix = |it: &str| Path::new(name).extension().is_some_and(|suffix| suffix == it);
            ["js", "css", "svg"].iter().any(|suffix| with_suffix(suffix))
        };
        let own: BTreeSet<_> = names.filter(|name| is_served(name)).collect();
        let served: BTreeSet<_> = FILES.iter().map(|file| file.name().to_owned()).collect();
        let missing: Vec<_> = own.difference(&served).collect();
        assert!(missing.is_empty(), "add them to FILES: {missing:?}");
    }
}
