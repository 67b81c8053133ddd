//! Counts the answers that are sent while jobs run: each may take long, and holds memory of its own.

use crate::kind::Kind;
use crate::problem::Problem;
use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Time after which a client should retry: a batch takes longer than a job.
const LATER: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) struct Live {
    limit: usize,
    open: AtomicUsize,
}

/// One of these answers, until it is dropped.
#[derive(Debug)]
pub(crate) struct LivePlace(Arc<Live>);

impl Live {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), open: AtomicUsize::new(0) })
    }

    /// Counts another one.
    ///
    /// # Errors
    /// A 503 problem when there are as many as there may be.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<LivePlace, Problem> {
        let more = |open: usize| (open < self.limit).then_some(open + 1);
        match self.open.fetch_update(Relaxed, Relaxed, more) {
            Ok(_) => Ok(LivePlace(self.clone())),
            Err(_) => Err(too_many(self.limit)),
        }
    }
}

impl Drop for LivePlace {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

fn too_many(limit: usize) -> Problem {
    let detail = format!(
        "failed to begin the answer: {limit} batches and jobs that are read as they run are open, the server's limit \
         (`max_live_answers`)"
    );
    Problem::new(Kind::Refused, StatusCode::SERVICE_UNAVAILABLE, detail)
        .with("reason", "too_many_streams")
        .with("limit", &limit)
        .retry_after(Some(LATER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_left_is_free_again() {
        let live = Live::new(2);
        let one = live.enter().unwrap();
        let _other = live.enter().unwrap();
        assert!(live.enter().is_err());
        drop(one);
        assert!(live.enter().is_ok());
    }
}
