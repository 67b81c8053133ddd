//! The answer with the bytes of a job's chunks, one after the other. Its end says whether the job ended well: a client
//! must not take a part for the whole.

use super::{Format, Reading};
use crate::answer;
use crate::kind::Kind;
use crate::lent::Memory;
use crate::live::LivePlace;
use crate::problem::Problem;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::Stream as _;
use http::header::TRAILER;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::body::{Body as HttpBody, Frame};
use procpool_protocol::engine::JobEvent;
use procpool_protocol::outcome::Finished;
use procpool_protocol::{Encoding, Payload};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The trailer with the outcome.
const OUTCOME: HeaderName = HeaderName::from_static("procpool-outcome");

/// Answers with the chunks of a job, or with its outcome if it emits none.
///
/// # Errors
/// The problem of chunks that are not raw bytes, or of too many such answers.
pub(super) async fn answer(
    mut reading: Reading,
    place: LivePlace,
    memory: Option<Memory>,
) -> Result<Response, Problem> {
    while let Some(events) = &mut reading.events {
        match events.next().await {
            Some(JobEvent::Chunk(chunk)) => {
                let first = raw(chunk)?;
                return Ok(begun(reading, first, place));
            }
            Some(_) => {}
            None => reading.events = None,
        }
    }
    let Some(outcome) = reading.outcome.take() else { return Err(unreadable("no outcome")) };
    Ok(answer::whole(outcome.await, reading.asked, answer::as_is, memory).await)
}

fn begun(reading: Reading, first: Bytes, place: LivePlace) -> Response {
    let job = reading.job;
    let chunks = Chunks { reading, first: Some(first), _place: place };
    let mut response = super::live(Format::Raw.content_type(), Some(job), Body::new(chunks));
    let trailers = HeaderValue::from_static("Procpool-Outcome, Server-Timing");
    response.headers_mut().insert(TRAILER, trailers);
    response
}

/// Returns the bytes of a chunk.
fn raw(chunk: Payload) -> Result<Bytes, Problem> {
    match chunk.encoding {
        Encoding::Bytes => Ok(chunk.bytes),
        Encoding::Json => Err(unreadable("JSON")),
        _ => Err(unreadable("no raw bytes")),
    }
}

fn unreadable(what: &str) -> Problem {
    let detail = format!(
        "failed to pass the job's chunks on as application/octet-stream: they are {what}; ask for them with `Accept: \
         application/x-ndjson` or `Accept: text/event-stream`"
    );
    Problem::new(Kind::NotAcceptable, StatusCode::NOT_ACCEPTABLE, detail)
        .may_have_run(true)
        .with("accepted", &["application/x-ndjson", "text/event-stream"])
}

/// See the module.
struct Chunks {
    reading: Reading,
    first: Option<Bytes>,
    _place: LivePlace,
}

/// Why the chunks break off.
#[derive(Debug)]
struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

impl Chunks {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        while let Some(events) = &mut self.reading.events {
            match ready!(Pin::new(events).poll_next(cx)) {
                Some(JobEvent::Chunk(chunk)) if chunk.encoding == Encoding::Bytes => {
                    return Poll::Ready(Some(Ok(chunk.bytes)));
                }
                Some(JobEvent::Chunk(_)) => {
                    return Poll::Ready(Some(Err(Broken("a chunk is no raw bytes".into()))));
                }
                Some(_) => {}
                None => self.reading.events = None,
            }
        }
        Poll::Ready(None)
    }
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Some(chunk) = ready!(this.poll_chunk(cx)) {
            return Poll::Ready(Some(chunk.map(Frame::data)));
        }
        let Some(outcome) = &mut this.reading.outcome else { return Poll::Ready(None) };
        let finished = ready!(outcome.as_mut().poll(cx));
        this.reading.outcome = None;
        Poll::Ready(Some(end(finished).map(Frame::trailers)))
    }
}

/// Returns the trailers of an answer whose job ended well. Another one breaks off: trailers belong to an answer that is
/// whole, and clients that do not look at them would take this one for it.
fn end(finished: Finished) -> Result<HeaderMap, Broken> {
    if let Err(error) = finished.result {
        return Err(Broken(format!("job {} ended as `{}`: {error}", finished.id, error.name())));
    }
    let timing = answer::server_timing(finished.timing, finished.report.as_deref());
    let outcome = HeaderValue::from_static("ok");
    Ok(HeaderMap::from_iter([(OUTCOME, outcome), (answer::SERVER_TIMING, answer::ascii(timing))]))
}
