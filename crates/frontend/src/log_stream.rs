//! A worker's lines as it writes them, as server-sent events. A stream resumes after the last line that its client has,
//! says where lines are missing, and ends with the worker.

use crate::app::Shared;
use crate::death_view::Date;
use crate::event_streams::KEEP_ALIVE;
use crate::routes::death_of;
use crate::sse;
use bytes::Bytes;
use futures_util::{Stream, stream};
use procpool_protocol::JobId;
use procpool_protocol::engine::{OutputLine, OutputPage, WorkerOutput};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

/// The JSON of a line.
#[derive(Serialize)]
pub(crate) struct LineView<'a> {
    number: u64,
    time: Date,
    stream: &'static str,
    job: Option<JobId>,
    text: &'a str,
}

impl<'a> From<&'a OutputLine> for LineView<'a> {
    fn from(line: &'a OutputLine) -> Self {
        let OutputLine { number, time, stream, job, text, .. } = line;
        Self { number: *number, time: Date(*time), stream: stream.name(), job: *job, text }
    }
}

/// Returns the lines of a worker after number `seen`, and all that follow.
pub(crate) fn events(
    shared: Arc<Shared>,
    worker: String,
    output: Arc<dyn WorkerOutput>,
    seen: u64,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Bytes> {
    let follower = Follower { shared, worker, output, seen, is_over: false, _permit: permit };
    stream::unfold(follower, |mut follower| async move { Some((follower.next().await?, follower)) })
}

struct Follower {
    shared: Arc<Shared>,
    worker: String,
    output: Arc<dyn WorkerOutput>,
    seen: u64,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// Returns what is sent next. `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        loop {
            let page = self.output.read(self.seen);
            // A client may come with the number of another worker's line.
            self.seen = page.seen;
            if !page.lines.is_empty() || page.missed > 0 {
                return Some(written(&page));
            }
            if page.is_over {
                self.is_over = true;
                return Some(self.end());
            }
            tokio::select! {
                biased;
                () = self.output.changed(self.seen) => {}
                () = self.shared.app.health.until_draining() => {
                    self.is_over = true;
                    return Some(sse::event("bye", None, "{}"));
                }
                () = sleep(KEEP_ALIVE) => return Some(sse::comment()),
            }
        }
    }

    /// Returns the last event: where the death is, if it is remembered. The lines end after that.
    fn end(&self) -> Bytes {
        let death = death_of(&self.shared, &self.worker).map(|death| format!("/v1/deaths/{}", death.id));
        let end = json!({ "worker": self.worker, "death": death });
        sse::event("end", None, &end.to_string())
    }
}

fn written(page: &OutputPage) -> Bytes {
    let missed =
        (page.missed > 0).then(|| sse::event("reset", None, &json!({ "missed": page.missed }).to_string()));
    let lines = page.lines.iter().map(|line| {
        let data = serde_json::to_string(&LineView::from(&**line)).unwrap_or_else(|_| "null".into());
        sse::event("line", Some(line.number), &data)
    });
    missed.into_iter().chain(lines).flatten().collect()
}
