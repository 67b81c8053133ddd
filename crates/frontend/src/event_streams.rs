//! The streams of jobs' events: how many there may be, and the life of one. A stream costs nothing while its job is
//! silent, but a comment now and then, and it never holds up a drain.

use crate::app::Shared;
use crate::event_view;
use crate::job_view::JobView;
use crate::kind::Kind;
use crate::problem::Problem;
use crate::sse;
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::StatusCode;
use procpool_protocol::JobId;
use procpool_registry::{Entry, Resumed};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

/// Time between two comments, below the half minute after which proxies give up.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Time after which a client that found no room may try again.
const LATER: Duration = Duration::from_secs(5);

/// Bounds the number of streams.
#[derive(Clone, Debug)]
pub(crate) struct EventStreams {
    places: Arc<Semaphore>,
    limit: usize,
}

impl EventStreams {
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(limit)), limit }
    }

    /// Returns the number of open streams.
    pub(crate) fn open(&self) -> usize {
        self.limit - self.places.available_permits()
    }

    /// Counts another stream.
    ///
    /// # Errors
    /// A 503 problem when there are as many as there may be.
    pub(crate) fn enter(&self, limit: usize) -> Result<OwnedSemaphorePermit, Problem> {
        self.places.clone().try_acquire_owned().map_err(|_| {
            let detail = format!(
                "failed to begin the stream: {limit} are open, the server's limit (`max_event_streams`)"
            );
            Problem::new(Kind::Refused, StatusCode::SERVICE_UNAVAILABLE, detail)
                .with("reason", "too_many_streams")
                .with("limit", &limit)
                .retry_after(Some(LATER))
        })
    }
}

/// Returns the events of a job after the one with number `seen`, and all that follow.
pub(crate) fn events(
    shared: Arc<Shared>,
    job: JobId,
    seen: u64,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Bytes> {
    let watcher = Watcher { shared, job, seen, is_over: false, _permit: permit };
    stream::unfold(watcher, |mut watcher| async move { Some((watcher.next().await?, watcher)) })
}

struct Watcher {
    shared: Arc<Shared>,
    job: JobId,
    seen: u64,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    /// Returns what is sent next. `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let app = &self.shared.app;
        let resumed = tokio::select! {
            biased;
            resumed = app.jobs.events(self.job, self.seen) => resumed?,
            () = app.health.until_draining() => {
                self.is_over = true;
                return Some(sse::event("bye", None, "{}"));
            }
            () = sleep(KEEP_ALIVE) => return Some(sse::comment()),
        };
        match resumed {
            Resumed::Next(entries) => {
                self.seen = entries.last().map_or(self.seen, |entry| entry.id);
                Some(written(&entries))
            }
            Resumed::Reset(record, last) => {
                self.seen = last;
                let state =
                    serde_json::to_string(&JobView::of(&record, None)).unwrap_or_else(|_| "null".into());
                Some(sse::event("reset", Some(last), &state))
            }
            Resumed::Ended => None,
        }
    }
}

/// Returns the text of events. Each is written once for all who watch the job.
fn written(entries: &[Arc<Entry>]) -> Bytes {
    match entries {
        [entry] => Bytes::from_owner(text(entry).clone()),
        _ => entries.iter().flat_map(|entry| text(entry).iter().copied()).collect(),
    }
}

fn text(entry: &Entry) -> &Arc<[u8]> {
    entry.text(|entry| match event_view::of_record(&entry.what) {
        Some((name, data)) => sse::event(name, Some(entry.id), &data).into(),
        None => Vec::new(),
    })
}
