//! An answer's body in pieces, each of which reports when it is taken. Does not: look into it.

use crate::activity::Exchange;
use crate::life::Sending;
use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Maximum length of a piece, in bytes: that of an HTTP/2 frame, or some that a system call may well take.
const HTTP_2_PIECE: usize = 16 * 1024;
const HTTP_1_PIECE: usize = 64 * 1024;

/// A body whose exchange lasts until the last of its bytes is handed to the kernel.
#[derive(Debug)]
pub(crate) struct Paced {
    rest: Body,
    current: Bytes,
    piece: usize,
    is_live: bool,
    /// Why the answer breaks off, once what is before that had a chance to leave.
    broken: Option<axum::Error>,
    exchange: Arc<Exchange>,
}

/// Returns how a body of this kind is sent.
pub(crate) fn sending(body: &Body, version: http::Version) -> Sending {
    if body.is_end_stream() || body.size_hint().exact().is_some() {
        Sending::Whole
    } else {
        Sending::Live { in_chunks: version == http::Version::HTTP_11 }
    }
}

impl Paced {
    pub(crate) fn new(body: Body, version: http::Version, exchange: Arc<Exchange>) -> Self {
        let piece = if version == http::Version::HTTP_2 { HTTP_2_PIECE } else { HTTP_1_PIECE };
        let is_live = sending(&body, version) != Sending::Whole;
        Self { rest: body, current: Bytes::new(), piece, is_live, broken: None, exchange }
    }

    fn next_piece(&mut self) -> Bytes {
        let bytes = self.current.split_to(self.current.len().min(self.piece));
        if self.is_live {
            self.exchange.handed(bytes.len() as u64);
        }
        Bytes::from_owner(Piece { bytes, exchange: self.exchange.clone() })
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.current.is_empty() {
            if let Some(error) = self.broken.take() {
                return Poll::Ready(Some(Err(error)));
            }
            let frame = Pin::new(&mut self.rest).poll_frame(cx);
            if self.is_live {
                match &frame {
                    Poll::Pending => self.exchange.waits(),
                    // An answer that breaks off is not the client's doing.
                    Poll::Ready(None | Some(Err(_))) => self.exchange.whole(),
                    Poll::Ready(Some(Ok(_))) => {}
                }
            }
            match ready!(frame).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.current = data,
                Some(Ok(Err(other))) => {
                    self.exchange.whole();
                    return Poll::Ready(Some(Ok(other)));
                }
                Some(Err(error)) => {
                    // HTTP/1 writes what it holds when there is nothing to add, and drops it at an error.
                    self.broken = Some(error);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(self.next_piece()))))
    }

    fn is_end_stream(&self) -> bool {
        self.current.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, current) = (self.rest.size_hint(), self.current.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + current);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + current);
        }
        hint
    }
}

/// Some bytes of an answer, on their way to the client.
struct Piece {
    bytes: Bytes,
    exchange: Arc<Exchange>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.exchange.took(self.bytes.len() as u64);
    }
}
