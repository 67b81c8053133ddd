//! The events of a job as clients see them: a name, and JSON. The same for server-sent events and for lines of JSON.

use crate::base64;
use crate::job_view::ProgressView;
use bytes::BytesMut;
use procpool_protocol::engine::JobEvent;
use procpool_protocol::message::Progress;
use procpool_protocol::printable::printable_json;
use procpool_protocol::{Encoding, OutcomeKind, Payload};
use procpool_registry::{Happened, Phase};
use serde::Serialize;
use serde_json::value::RawValue;

/// An event with its name and its JSON.
pub(crate) type Named = (&'static str, String);

/// The JSON of a job's place.
#[derive(Serialize)]
struct StateView<'a> {
    state: &'static str,
    attempt: u32,
    worker: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cancelling: bool,
}

/// The JSON of an outcome. The output is not part of it.
#[derive(Serialize)]
struct OutcomeView {
    outcome: OutcomeKind,
    may_have_run: bool,
}

/// The JSON of a chunk.
#[derive(Serialize)]
#[serde(untagged)]
enum ChunkView<'a> {
    Json { json: &'a RawValue },
    Bytes { base64: String, content_type: &'static str },
}

/// Returns an event of a record. `None` for one that this version does not know.
pub(crate) fn of_record(happened: &Happened) -> Option<Named> {
    Some(match happened {
        Happened::Phase { phase, attempt, worker, .. } => state(*phase, *attempt, worker.as_deref(), false),
        Happened::Cancelled { phase, attempt, worker, .. } => {
            state(*phase, *attempt, worker.as_deref(), true)
        }
        Happened::Progress(it) => progress(*it),
        Happened::Chunk(it) => chunk(it),
        Happened::Outcome { outcome, may_have_run, .. } => {
            ("outcome", json(&OutcomeView { outcome: *outcome, may_have_run: *may_have_run }))
        }
        _ => return None,
    })
}

fn state(phase: Phase, attempt: u32, worker: Option<&str>, cancelling: bool) -> Named {
    ("state", json(&StateView { state: phase.name(), attempt, worker, cancelling }))
}

/// Returns an event of a job that is read as it runs. `None` for one that this version does not know.
pub(crate) fn of_event(event: &JobEvent) -> Option<Named> {
    Some(match event {
        JobEvent::Started { attempt, worker, .. } => state(Phase::Running, *attempt, Some(worker), false),
        JobEvent::Returned => queued(),
        JobEvent::Progress(it) => progress(*it),
        JobEvent::Chunk(it) => chunk(it),
        _ => return None,
    })
}

/// Returns the event of a job that waits for a worker.
pub(crate) fn queued() -> Named {
    state(Phase::Queued, 0, None, false)
}

/// Returns the event of a progress.
pub(crate) fn progress(progress: Progress) -> Named {
    ("progress", json(&ProgressView::from(progress)))
}

/// Returns the event of a chunk. JSON stays as the worker wrote it; anything else is shown as bytes.
pub(crate) fn chunk(chunk: &Payload) -> Named {
    let value =
        if chunk.encoding == Encoding::Json { serde_json::from_slice(&chunk.bytes).ok() } else { None };
    let view = match value {
        Some(json) => ChunkView::Json { json },
        None => {
            let mut text = BytesMut::new();
            base64::encode(&chunk.bytes, &mut text);
            let base64 = String::from_utf8_lossy(&text).into_owned();
            ChunkView::Bytes { base64, content_type: "application/octet-stream" }
        }
    };
    ("chunk", json(&view))
}

/// Our own types can always be written. A person may see the text on a terminal.
fn json<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".into());
    printable_json(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_json_or_base64() {
        let shown = |payload| chunk(&payload).1;
        assert_eq!(shown(Payload::json("[1.0e2,\n \"a\"]")), "{\"json\":[1.0e2,\n \"a\"]}");
        let bytes = r#"{"base64":"AGE=","content_type":"application/octet-stream"}"#;
        assert_eq!(shown(Payload::raw(&b"\x00a"[..])), bytes);
        let broken = shown(Payload::json("[1"));
        assert!(broken.starts_with(r#"{"base64":"WzE=""#), "{broken}");
    }

    #[test]
    fn the_other_events_have_their_fields() {
        let event = progress(Progress { done: 3, total: None });
        assert_eq!(event, ("progress", r#"{"done":3,"total":null}"#.into()));
        let running = state(Phase::Running, 2, Some("fib-7"), false);
        assert_eq!(running, ("state", r#"{"state":"running","attempt":2,"worker":"fib-7"}"#.into()));
        let cancelled = state(Phase::Queued, 0, None, true);
        assert!(cancelled.1.ends_with(r#""worker":null,"cancelling":true}"#), "{cancelled:?}");
    }
}
