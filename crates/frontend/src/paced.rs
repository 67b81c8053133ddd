//! An answer's body in pieces, each of which reports when it is taken. Does not: look into it.

use crate::activity::Exchange;
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
    exchange: Arc<Exchange>,
}

impl Paced {
    pub(crate) fn new(body: Body, version: http::Version, exchange: Arc<Exchange>) -> Self {
        let piece = if version == http::Version::HTTP_2 { HTTP_2_PIECE } else { HTTP_1_PIECE };
        Self { rest: body, current: Bytes::new(), piece, exchange }
    }

    fn next_piece(&mut self) -> Bytes {
        let bytes = self.current.split_to(self.current.len().min(self.piece));
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
            match ready!(Pin::new(&mut self.rest).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.current = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
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
