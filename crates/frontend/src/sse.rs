//! Writes server-sent events (the `text/event-stream` of HTML), as long as their reader may read them. Does not: know what
//! they say.

use crate::access::Pass;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use std::convert::Infallible;
use std::fmt::Write;
use std::future::ready;

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Time after which a client reconnects, in milliseconds.
const RETRY: u64 = 2000;

/// Returns the answer that has these events as its body, which nobody on the way may hold back. It ends instead of the first
/// event that comes when `pass` no longer counts; a silent stream has comments.
pub(crate) fn response(events: impl Stream<Item = Bytes> + Send + 'static, pass: Pass) -> Response {
    let events = stream::once(ready(retry(RETRY))).chain(events);
    let events = events.take_while(move |_| ready(pass.is_valid())).map(Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Returns an event of this name. A client that reconnects repeats the id of the last one that it has.
pub(crate) fn event(name: &str, id: Option<u64>, data: &str) -> Bytes {
    let mut text = String::with_capacity(name.len() + data.len() + 48);
    // Writing to a string never fails.
    let _ = writeln!(text, "event: {name}");
    if let Some(id) = id {
        let _ = writeln!(text, "id: {id}");
    }
    // Each of these ends a line there. In JSON they stand between tokens only.
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        let _ = writeln!(text, "data: {line}");
    }
    text.push('\n');
    text.into()
}

/// Returns the line that tells a client after how many milliseconds to reconnect.
fn retry(millis: u64) -> Bytes {
    format!("retry: {millis}\n\n").into()
}

/// Returns a line that says nothing, so that neither client nor proxy gives the connection up.
pub(crate) fn comment() -> Bytes {
    Bytes::from_static(b":\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_name_its_id_and_a_line_of_data_for_each_line() {
        assert_eq!(event("state", Some(7), "{}"), "event: state\nid: 7\ndata: {}\n\n");
        let lines = event("chunk", None, "[1,\n2,\r\n3,\r4]");
        assert_eq!(lines, "event: chunk\ndata: [1,\ndata: 2,\ndata: 3,\ndata: 4]\n\n");
        assert_eq!((retry(2000), comment()), ("retry: 2000\n\n".into(), ":\n\n".into()));
    }
}
