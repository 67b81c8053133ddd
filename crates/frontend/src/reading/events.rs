//! The answer with a job's events: server-sent events, or a line of JSON for each.

use super::{Format, Reading};
use crate::app::Shared;
use crate::batch::write_output;
use crate::budget::Share;
use crate::event_view;
use crate::job_problem;
use crate::live::LivePlace;
use crate::problem::overloaded;
use crate::sse;
use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::Stream as _;
use hyper::body::{Body as HttpBody, Frame};
use procpool_protocol::engine::BoxFuture;
use procpool_protocol::outcome::Finished;
use procpool_protocol::printable::printable_json;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// Time between two comments, below the half minute after which proxies give up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Number of bytes at which no further event is added before these are taken.
const FULL: usize = 64 * 1024;

/// See the module.
struct Events {
    reading: Reading,
    format: Format,
    text: BytesMut,
    /// Ready when the server drains; `None` once it does.
    drain: Option<BoxFuture<'static, ()>>,
    keep_alive: Pin<Box<Sleep>>,
    /// Bytes of a long output, counted among all answers.
    output: Share,
    _place: LivePlace,
}

pub(super) fn answer(shared: &Arc<Shared>, reading: Reading, format: Format, place: LivePlace) -> Response {
    let job = reading.job;
    let health = shared.app.health.clone();
    let mut events = Events {
        reading,
        format,
        text: BytesMut::new(),
        drain: Some(Box::pin(async move { health.until_draining().await })),
        keep_alive: Box::pin(sleep(KEEP_ALIVE)),
        output: shared.answers.share(),
        _place: place,
    };
    events.write(&event_view::queued());
    super::live(format.content_type(), Some(job), Body::new(events))
}

impl Events {
    fn write(&mut self, (name, data): &event_view::Named) {
        match self.format {
            Format::Events => self.text.extend_from_slice(&sse::event(name, None, data)),
            Format::Lines | Format::Raw => {
                let _ = write!(self.text, "{{\"event\":\"{name}\",\"data\":");
                crate::batch::one_line(data.as_bytes(), &mut self.text);
                self.text.extend_from_slice(b"}\n");
            }
        }
    }

    /// Writes what has happened. Returns whether something more may happen.
    fn collect(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(events) = &mut self.reading.events {
            if self.text.len() >= FULL {
                return true;
            }
            match Pin::new(events).poll_next(cx) {
                Poll::Ready(Some(event)) => {
                    if let Some(named) = event_view::of_event(&event) {
                        self.write(&named);
                    }
                }
                Poll::Ready(None) => self.reading.events = None,
                Poll::Pending => return true,
            }
        }
        if let Some(outcome) = &mut self.reading.outcome
            && let Poll::Ready(finished) = outcome.as_mut().poll(cx)
        {
            self.reading.outcome = None;
            let data = self.outcome(finished);
            self.write(&("outcome", data));
        }
        self.reading.outcome.is_some()
    }

    /// Returns the JSON of an outcome. An output that the server has no room for is dropped, as that of an ordinary answer.
    fn outcome(&mut self, finished: Finished) -> String {
        let mut has_room = |length: usize| length <= FULL || self.output.grow(length as u64);
        let (outcome, may_have_run, problem) = match finished.result {
            Ok(output) if has_room(output.bytes.len()) => {
                let mut text = BytesMut::from("{\"outcome\":\"ok\",\"may_have_run\":true,");
                write_output(&output, &mut text);
                text.extend_from_slice(b"}");
                return String::from_utf8_lossy(&text).into_owned();
            }
            Ok(_) => {
                let detail = "failed to pass the output on: clients have not taken as many bytes of other answers as \
                              the server may hold (`max_answers`)";
                ("ok", true, overloaded(detail).may_have_run(true).retry_after(None))
            }
            Err(error) => {
                let (name, may_have_run) = (error.name(), error.may_have_run());
                (name, may_have_run, job_problem::of_job(*error, self.reading.asked))
            }
        };
        let problem = serde_json::to_string(&problem).unwrap_or_else(|_| "{}".into());
        let problem = printable_json(&problem);
        format!("{{\"outcome\":\"{outcome}\",\"may_have_run\":{may_have_run},\"problem\":{problem}}}")
    }

    /// Tells the client that the server drains. Its job still runs to its end.
    fn notice_drain(&mut self, cx: &mut Context<'_>) {
        if let Some(drain) = &mut self.drain
            && drain.as_mut().poll(cx).is_ready()
        {
            self.drain = None;
            self.write(&("bye", "{}".into()));
        }
    }

    /// Returns a comment when nothing was said for long.
    fn poll_comment(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if self.format != Format::Events {
            return Poll::Pending;
        }
        ready!(self.keep_alive.as_mut().poll(cx));
        Poll::Ready(sse::comment())
    }
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let goes_on = this.collect(cx);
        if goes_on {
            this.notice_drain(cx);
        }
        let bytes = match this.text.is_empty() {
            false => this.text.split().freeze(),
            true if goes_on => ready!(this.poll_comment(cx)),
            true => return Poll::Ready(None),
        };
        this.keep_alive.as_mut().reset(tokio::time::Instant::now() + KEEP_ALIVE);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}
