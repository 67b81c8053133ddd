//! The requests about pools and workers, and about the server's health.

use crate::request::Request;
use crate::target::Target;
use http::header::ACCEPT;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Map, Value};

const POOLS: &str = "/v1/pools";

/// Returns the request for all pools.
#[must_use]
pub fn list() -> Request {
    Request::get(Target::new(POOLS))
}

/// Returns the request for one pool.
#[must_use]
pub fn show(pool: &str) -> Request {
    Request::get(of(pool))
}

/// An order to a pool that needs nothing but its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Begin no further jobs.
    Pause,
    /// Begin jobs again.
    Resume,
    /// Accept no further jobs, and finish those that there are.
    Drain,
    /// Put the replaced executable into service.
    Reload,
}

impl Order {
    /// Returns the request that gives it.
    #[must_use]
    pub fn request(self, pool: &str) -> Request {
        let verb = match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Drain => "drain",
            Self::Reload => "reload",
        };
        Request::post(of(pool).segment(verb))
    }
}

/// New settings of a pool. `None` leaves a setting as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sizes {
    /// Minimum number of workers.
    pub min_workers: Option<u32>,
    /// Maximum number of workers.
    pub max_workers: Option<u32>,
    /// Maximum number of jobs that may wait.
    pub queue: Option<u32>,
    /// Number of idle workers that are held ready.
    pub spares: Option<u32>,
}

impl Sizes {
    /// Returns settings that leave all as it is.
    #[must_use]
    pub fn unchanged() -> Self {
        Self::default()
    }

    /// Returns the request, a JSON merge patch (RFC 7396).
    #[must_use]
    pub fn request(self, pool: &str) -> Request {
        let settings = [
            ("min_workers", self.min_workers),
            ("max_workers", self.max_workers),
            ("queue", self.queue),
            ("spares", self.spares),
        ];
        let given = settings.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        let patch = Value::Object(given.collect::<Map<_, _>>());
        Request::new(Method::PATCH, of(pool)).json("application/merge-patch+json", &patch)
    }
}

/// Returns the request for a pool's workers, with what they use of memory and processor time if that is asked for.
#[must_use]
pub fn workers(pool: &str, usage: bool) -> Request {
    Request::get(of(pool).segment("workers").maybe("usage", usage.then_some("true")))
}

/// How a worker is sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Farewell {
    /// After its job.
    Retire,
    /// At once, with its job.
    Kill,
}

/// Returns the request that sends a worker away.
#[must_use]
pub fn send_away(worker: &str, how: Farewell) -> Request {
    let how = match how {
        Farewell::Retire => "retire",
        Farewell::Kill => "kill",
    };
    Request::new(Method::DELETE, Target::new("/v1/workers").segment(worker).query("how", how))
}

/// Returns the request for the last lines that a worker wrote.
#[must_use]
pub fn logs(worker: &str) -> Request {
    Request::get(Target::new("/v1/workers").segment(worker).segment("logs"))
}

/// Returns the request for these lines and those that follow, from the one after `last` on.
#[must_use]
pub fn follow_logs(worker: &str, last: Option<&str>) -> Request {
    let request = logs(worker).header(ACCEPT, HeaderValue::from_static("text/event-stream"));
    match last.and_then(|last| HeaderValue::from_str(last).ok()) {
        Some(last) => request.header(HeaderName::from_static("last-event-id"), last),
        None => request,
    }
}

/// Returns the request for what a pool holds against payloads and clients.
#[must_use]
pub fn quarantine(pool: &str) -> Request {
    Request::get(of(pool).segment("quarantine"))
}

/// Returns the request that clears one fingerprint, or all.
#[must_use]
pub fn clear(pool: &str, fingerprint: Option<&str>) -> Request {
    let target = of(pool).segment("quarantine");
    let target = match fingerprint {
        Some(fingerprint) => target.segment(fingerprint),
        None => target,
    };
    Request::new(Method::DELETE, target)
}

/// Returns the request for the events of these pools as they live, or of all.
#[must_use]
pub fn events(pools: &[String]) -> Request {
    let named = (!pools.is_empty()).then(|| pools.join(","));
    Request::get(Target::new("/v1/events").maybe("pools", named.as_deref()))
}

/// Returns the request for this number of deaths of workers, the newest first.
#[must_use]
pub fn deaths(limit: u64) -> Request {
    Request::get(Target::new("/v1/deaths").query("limit", &limit.to_string()))
}

/// Returns the request that has the server read its configuration again, or only say what would change.
#[must_use]
pub fn reload_config(dry_run: bool) -> Request {
    let target = Target::new("/v1/config/reload");
    Request::post(target.maybe("dry_run", dry_run.then_some("true")))
}

/// Returns the request that asks whether the process answers.
#[must_use]
pub fn live() -> Request {
    Request::get(Target::new("/livez"))
}

/// Returns the request that asks whether the server takes jobs, or this pool of it.
#[must_use]
pub fn ready(pool: Option<&str>) -> Request {
    Request::get(Target::new("/readyz").maybe("pool", pool))
}

fn of(pool: &str) -> Target {
    Target::new(POOLS).segment(pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_go_to_the_pool_that_is_named() {
        assert_eq!(Order::Pause.request("fib").line(), "POST /v1/pools/fib/pause");
        assert_eq!(Order::Drain.request("a b").line(), "POST /v1/pools/a%20b/drain");
        assert_eq!(clear("fib", None).line(), "DELETE /v1/pools/fib/quarantine");
        assert_eq!(clear("fib", Some("9a")).line(), "DELETE /v1/pools/fib/quarantine/9a");
        assert_eq!(send_away("fib-812", Farewell::Kill).line(), "DELETE /v1/workers/fib-812?how=kill");
        assert_eq!(reload_config(false).line(), "POST /v1/config/reload");
        assert_eq!(reload_config(true).line(), "POST /v1/config/reload?dry_run=true");
        assert_eq!(logs("fib-812").line(), "GET /v1/workers/fib-812/logs");
        assert_eq!(workers("fib", false).line(), "GET /v1/pools/fib/workers");
        assert_eq!(workers("fib", true).line(), "GET /v1/pools/fib/workers?usage=true");
        assert_eq!(deaths(200).line(), "GET /v1/deaths?limit=200");
        assert_eq!(events(&[]).line(), "GET /v1/events");
        assert_eq!(events(&["fib".into(), "a b".into()]).line(), "GET /v1/events?pools=fib%2Ca%20b");
        assert_eq!(ready(Some("fib")).line(), "GET /readyz?pool=fib");
    }

    #[test]
    fn a_patch_has_only_what_changes() {
        let sizes = Sizes { max_workers: Some(8), spares: Some(0), ..Sizes::default() };
        let request = sizes.request("fib");
        assert_eq!(request.line(), "PATCH /v1/pools/fib");
        assert!(format!("{:?}", request.body).contains(r#"{\"max_workers\":8,\"spares\":0}"#), "{request:?}");
    }
}
