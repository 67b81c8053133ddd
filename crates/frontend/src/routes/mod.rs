//! The map: every route, and what closes them. Each file beside this one is a family of routes.

mod batch;
mod config;
mod dashboard;
mod deaths;
#[cfg(feature = "docs-ui")]
mod docs;
mod events;
mod health;
mod hosts;
mod job;
mod job_list;
mod jobs;
mod logs;
mod metrics;
mod no_worker;
mod openapi;
mod orders;
mod pools;
mod problems;
mod quarantine;
mod rerun;
mod schedules;
mod seed;
mod stacks;

pub(crate) use no_worker::death_of;
mod session;

use crate::access::{Access, Scope, Terms, authorize};
use crate::app::Shared;
use crate::guard;
use crate::kind::Kind;
use crate::problem::Problem;
use axum::Router;
use axum::body::Body;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{self, MethodRouter, any};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode, Uri};
use procpool_protocol::printable::printable_json;
use std::sync::Arc;

/// Returns every route, with what it asks of its client. There is no other way to add one.
fn map() -> Vec<Route> {
    use Access::Open;
    use Scope::{Admin, Debug, Operate, Read, Submit};
    vec![
        get(Open, "/", seed::ok),
        Route { takes_all: true, ..Route::new(Method::GET, Submit, "/compute", any(seed::compute)) }
            .of_a_job(),
        post(Submit, "/v1/pools/{pool}/jobs", jobs::create).of_a_job(),
        // Each of its lines is a job, which counts by itself.
        post(Submit, "/v1/pools/{pool}/batch", batch::create),
        get(Read, "/v1/jobs", job_list::list),
        post(Operate, "/v1/jobs/cancel", job_list::cancel),
        post(Operate, "/v1/jobs/rerun", rerun::matching),
        get(Read, "/v1/jobs/{id}", job::show),
        delete(Submit, "/v1/jobs/{id}", job::cancel),
        get(Read, "/v1/jobs/{id}/result", job::result),
        get(Read, "/v1/jobs/{id}/events", job::events),
        post(Submit, "/v1/jobs/{id}/rerun", jobs::rerun).of_a_job(),
        get(Read, "/v1/schedules", schedules::list),
        post(Operate, "/v1/schedules/{schedule}/run", schedules::run),
        get(Read, "/v1/hosts", hosts::list),
        get(Read, "/v1/events", events::stream),
        get(Read, "/v1/pools", pools::all),
        get(Read, "/v1/pools/{pool}", pools::one),
        get(Read, "/v1/pools/{pool}/workers", pools::workers),
        get(Read, "/v1/pools/{pool}/history", metrics::history),
        get(Read, "/metrics", metrics::scrape),
        post(Operate, "/v1/pools/{pool}/reload", pools::reload),
        post(Admin, "/v1/config/reload", config::reload),
        post(Operate, "/v1/pools/{pool}/pause", pools::pause),
        post(Operate, "/v1/pools/{pool}/resume", pools::resume),
        post(Operate, "/v1/pools/{pool}/drain", orders::drain),
        patch(Operate, "/v1/pools/{pool}", orders::patch),
        get(Read, "/v1/workers/{worker}", stacks::worker),
        delete(Operate, "/v1/workers/{worker}", orders::end_worker),
        get(Debug, "/v1/deaths", deaths::all),
        get(Debug, "/v1/deaths/{death}", deaths::one),
        get(Read, "/v1/deaths/groups", deaths::groups),
        get(Debug, "/v1/pools/{pool}/deaths", deaths::of_pool),
        get(Debug, "/v1/workers/{worker}/logs", logs::show),
        get(Debug, "/v1/workers/{worker}/stack", stacks::stack),
        post(Debug, "/v1/workers/{worker}/profile", stacks::profile),
        get(Debug, "/v1/pools/{pool}/quarantine", quarantine::list),
        delete(Operate, "/v1/pools/{pool}/quarantine", quarantine::clear),
        delete(Operate, "/v1/pools/{pool}/quarantine/{fingerprint}", quarantine::clear_one),
        get(Open, guard::PAGES[0], dashboard::page),
        get(Open, "/dashboard/{file}", dashboard::file),
        get(Open, "/v1/session", session::show),
        post(Open, "/v1/session", session::begin),
        delete(Open, "/v1/session", session::end),
        get(Open, guard::OPEN, health::live),
        get(Open, guard::READY, health::ready),
        get(Open, "/problems/{name}", problems::explain),
        // It tells which pools there are, and what their workers say of their jobs.
        get(Read, "/openapi.json", openapi::document),
        // Files of the program, which tell nothing of what is running.
        #[cfg(feature = "docs-ui")]
        get(Open, guard::PAGES[1], docs::page),
        #[cfg(feature = "docs-ui")]
        get(Open, "/docs/{file}", docs::file),
    ]
}

/// Returns the router of all routes. Each is closed to foreign pages, and to clients that may not use it.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let open = |router: Router<Arc<Shared>>, route: Route| {
        if route.terms.are_open(&shared) {
            return router.route(route.terms.path, route.handler);
        }
        let gate = from_fn_with_state((shared.clone(), route.terms), authorize);
        let handler =
            if route.takes_all { route.handler.layer(gate) } else { route.handler.route_layer(gate) };
        router.route(route.terms.path, handler)
    };
    map()
        .into_iter()
        .fold(Router::new(), open)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(shared.clone(), guard::refuse_foreign))
        .with_state(shared)
}

/// Returns the method, the path and the terms of every route.
pub fn routes() -> impl Iterator<Item = (Method, &'static str, Access)> {
    map().into_iter().map(|Route { method, terms, .. }| (method, terms.path, terms.access))
}

/// A method of a path.
struct Route {
    method: Method,
    terms: Terms,
    /// It refuses other methods itself.
    takes_all: bool,
    handler: MethodRouter<Arc<Shared>>,
}

impl Route {
    fn new(
        method: Method,
        access: impl Into<Access>,
        path: &'static str,
        handler: MethodRouter<Arc<Shared>>,
    ) -> Self {
        let terms = Terms { path, access: access.into(), runs_job: false };
        Self { method, terms, takes_all: false, handler }
    }

    /// Each request is a job.
    fn of_a_job(mut self) -> Self {
        self.terms.runs_job = true;
        self
    }
}

fn get<H: Handler<T, Arc<Shared>>, T: 'static>(
    access: impl Into<Access>,
    path: &'static str,
    to: H,
) -> Route {
    Route::new(Method::GET, access, path, routing::get(to))
}

fn post<H: Handler<T, Arc<Shared>>, T: 'static>(
    access: impl Into<Access>,
    path: &'static str,
    to: H,
) -> Route {
    Route::new(Method::POST, access, path, routing::post(to))
}

fn patch<H: Handler<T, Arc<Shared>>, T: 'static>(
    access: impl Into<Access>,
    path: &'static str,
    to: H,
) -> Route {
    Route::new(Method::PATCH, access, path, routing::patch(to))
}

fn delete<H: Handler<T, Arc<Shared>>, T: 'static>(
    access: impl Into<Access>,
    path: &'static str,
    to: H,
) -> Route {
    Route::new(Method::DELETE, access, path, routing::delete(to))
}

async fn not_found(uri: Uri) -> Response {
    let page =
        uri.path().strip_suffix('/').and_then(|path| guard::PAGES.into_iter().find(|page| *page == path));
    if let Some(page) = page {
        return Redirect::permanent(page).into_response();
    }
    let path: String = uri.path().chars().take(200).collect();
    let detail = format!("failed to find `{path}`; jobs are sent with POST to /v1/pools/{{pool}}/jobs");
    Problem::new(Kind::NotFound, StatusCode::NOT_FOUND, detail).into_response()
}

/// Returns the problem of a wrong method. The router adds `Allow`.
async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let method: String = method.as_str().chars().take(32).collect();
    let detail =
        format!("failed to {method} `{path}`: it does not take this method; `Allow` lists its methods");
    Problem::new(Kind::MethodNotAllowed, StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// Returns a 200 of plain text.
fn text(body: impl Into<Body>) -> Response {
    with_type("text/plain; charset=utf-8", body)
}

/// Returns a 200 of JSON. Our own types can always be written. They hold names that others chose, and a
/// person may see the text.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Response {
    match serde_json::to_string(value) {
        Ok(body) => with_type("application/json", printable_json(&body).into_owned()),
        Err(error) => Problem::new(
            Kind::Internal,
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("failed to write the answer as JSON: {error}"),
        )
        .into_response(),
    }
}

fn with_type(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}
