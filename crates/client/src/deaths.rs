//! The requests about deaths of workers.

use crate::request::Request;
use crate::target::Target;

const DEATHS: &str = "/v1/deaths";

/// Which deaths to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deaths {
    /// Of this pool alone.
    pub pool: Option<String>,
    /// Of this worker alone.
    pub worker: Option<String>,
    /// Of this group alone.
    pub group: Option<String>,
}

impl Deaths {
    /// Returns a list of all.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Returns the request for a page of at most this number of deaths, the newest first.
    #[must_use]
    pub fn page(&self, limit: u64, cursor: Option<&str>) -> Request {
        let target = Target::new(DEATHS).maybe("pool", self.pool.as_deref());
        let target = target.maybe("worker", self.worker.as_deref()).maybe("group", self.group.as_deref());
        Request::get(target.query("limit", &limit.to_string()).maybe("cursor", cursor))
    }
}

/// Returns the request for the groups of deaths, of one pool or of all.
#[must_use]
pub fn groups(pool: Option<&str>) -> Request {
    Request::get(Target::new(DEATHS).query("by", "group").maybe("pool", pool))
}

/// Returns the request for one death.
#[must_use]
pub fn show(id: u64) -> Request {
    Request::get(Target::new(DEATHS).segment(&id.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_narrowed_by_what_is_given() {
        let mut deaths = Deaths::all();
        assert_eq!(deaths.page(50, None).line(), "GET /v1/deaths?limit=50");
        (deaths.pool, deaths.worker) = (Some("fib".into()), Some("fib 3".into()));
        let line = "GET /v1/deaths?pool=fib&worker=fib%203&limit=2&cursor=17";
        assert_eq!(deaths.page(2, Some("17")).line(), line);
        assert_eq!(groups(Some("fib")).line(), "GET /v1/deaths?by=group&pool=fib");
        assert_eq!(show(17).line(), "GET /v1/deaths/17");
    }
}
