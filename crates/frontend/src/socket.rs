//! A client's socket: tells the connection's life what comes and goes, and has a patience that hyper
//! lacks: a client that is still sending when its answer says no gets to read that answer. Knows bytes,
//! not HTTP.

use crate::activity::Activity;
use crate::framing::Framing;
use crate::overlong;
use crate::tls::Cable;
use crate::wire::Wire;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;

/// Maximum time for which a refused body is still received, and thrown away.
const LONGEST_LINGER: Duration = Duration::from_secs(1);

pub(crate) struct Socket {
    wire: Arc<Wire>,
    /// TLS between HTTP and the wire.
    tls: Option<Box<TlsStream<Cable>>>,
    activity: Arc<Activity>,
    framing: Framing,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(crate) fn new(wire: Arc<Wire>, tls: Option<Box<TlsStream<Cable>>>, activity: Arc<Activity>) -> Self {
        Self { wire, tls, activity, framing: Framing::default(), lingering: None }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            Some(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
            None => self.wire.poll_write(cx, slices),
        }
    }

    /// Receives and forgets what the client still sends. Closing over unread bytes would send a reset,
    /// and that can destroy the answer before the client has read it.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.lingering.get_or_insert_with(|| Box::pin(sleep(LONGEST_LINGER)));
        let mut scratch = [0; 4096];
        loop {
            if limit.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(self.wire.poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match &mut self.tls {
            Some(tls) => Pin::new(tls).poll_read(cx, buffer),
            None => self.wire.poll_read(cx, buffer),
        };
        let received = &buffer.filled()[before..];
        if !received.is_empty() {
            self.framing.read(received);
            self.activity.received(self.framing.ambiguous());
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = match self.framing.is_overlong().then(|| overlong::put_right(slices)).flatten() {
            Some(right) => {
                let all = slices.iter().map(|slice| slice.len()).sum();
                // A kernel that takes a part of a hundred bytes has no use for the rest: the connection closes.
                self.poll_send(cx, &[IoSlice::new(&right)]).map_ok(|_| all)
            }
            None => self.poll_send(cx, slices),
        };
        if let Poll::Ready(Ok(1..)) = write {
            self.activity.life().sent(Instant::now());
        }
        write
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(tls) = &mut self.tls {
            ready!(Pin::new(tls).poll_flush(cx))?;
        }
        self.wire.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            match &mut self.tls {
                Some(tls) => ready!(Pin::new(tls).poll_shutdown(cx))?,
                None => self.wire.close_sending()?,
            }
        }
        if self.activity.leaves_unread() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
