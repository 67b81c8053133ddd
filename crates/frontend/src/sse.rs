//! Writes server-sent events (the `text/event-stream` of HTML). Does not: know what they say.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use std::fmt::Write;

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Returns the answer that has these events as its body, which nobody on the way may hold back.
pub(crate) fn response(events: Body) -> Response {
    let mut response = Response::new(events);
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
pub(crate) fn retry(millis: u64) -> Bytes {
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
