//! The connection itself, shared by hyper's side ([`Socket`](crate::socket::Socket)) and the task
//! that watches whether the client is still there. Knows bytes, and the seven with which every
//! HTTP/1 answer begins.

use crate::owner::Ends;
use crate::stream::Stream;
use socket2::{SockRef, TcpKeepalive};
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{Interest, ReadBuf, Ready};

/// The first bytes of every HTTP/1 answer, whatever its status.
const OPENING: &[u8] = b"HTTP/1.";

/// Silence after which the kernel asks whether the other machine is still there, and how often it
/// asks on: a client whose machine lost its power is given up after two minutes.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// Maximum number of zeros before a chunk's length. Some clients read no length of more than 16 digits.
const MAX_ZEROS: usize = 8;

/// Bytes that the kernel takes without being able to send them. Otherwise it takes some megabytes and
/// reports that there is room again when a third of them are gone: a client that reads steadily looks
/// like one that does not read for as long as that takes.
const UNSENT: u32 = 128 * 1024;

/// Maximum number of descriptors that wait for a request's head to be whole. A request may bring one; the second shows
/// that it has brought too many.
const MAX_DESCRIPTORS: usize = 2;

/// The frame GOAWAY of HTTP/2, for all streams, with the reason `ENHANCE_YOUR_CALM`.
const CALM: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 11];

/// Relaxed throughout: one task drives both sides, one after the other.
pub(crate) struct Wire {
    stream: Stream,
    /// Whether TLS is spoken on it, so that no byte may be added.
    is_encrypted: bool,
    /// Whether all that was handed in is out, so that the next byte begins a message.
    between_messages: AtomicBool,
    /// Bytes of the next answer that are out already.
    ahead: AtomicUsize,
    /// Zeros of the next chunk's length that are out already.
    zeros: AtomicUsize,
    /// Received beside the bytes of the next request.
    descriptors: Mutex<Vec<OwnedFd>>,
}

impl Wire {
    pub(crate) fn new(stream: Stream, is_encrypted: bool) -> Self {
        if let Stream::Tcp(stream) = &stream {
            // Best effort. Without the first, small answers may wait for the client's delayed
            // acknowledgement.
            let _ = stream.set_nodelay(true);
            let socket = SockRef::from(stream);
            let _ = socket.set_tcp_keepalive(&KEEPALIVE);
            let _ = socket.set_tcp_notsent_lowat(UNSENT);
        }
        Self {
            stream,
            is_encrypted,
            between_messages: AtomicBool::new(true),
            ahead: AtomicUsize::new(0),
            zeros: AtomicUsize::new(0),
            descriptors: Mutex::default(),
        }
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Returns the TCP connection as the kernel knows it.
    pub(crate) fn ends(&self) -> io::Result<Ends> {
        let Stream::Tcp(stream) = &self.stream else {
            return Err(ErrorKind::Unsupported.into());
        };
        let (ours, theirs) = (stream.local_addr()?, stream.peer_addr()?);
        let socket = File::from(self.stream.as_fd().try_clone_to_owned()?);
        Ok(Ends { ours, theirs, number: socket.metadata()?.ino() })
    }

    /// Returns when the client has closed its sending side, or its connection has failed: the latter is
    /// `true`.
    pub(crate) async fn closed_or_failed(&self) -> bool {
        let closed = Interest::PRIORITY.add(Interest::ERROR);
        self.stream.ready(closed).await.is_ok_and(Ready::is_error)
    }

    /// Returns when the connection has failed, such as by a reset.
    pub(crate) async fn failed(&self) {
        // An error of the runtime says nothing about the client.
        if self.stream.ready(Interest::ERROR).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns whether the kernel itself says that nobody is at the other end. It does so of Unix sockets only.
    pub(crate) async fn is_hung_up(&self) -> Option<bool> {
        let Stream::Unix(stream) = &self.stream else {
            return None;
        };
        let ready = stream.ready(Interest::WRITABLE).await;
        Some(ready.is_ok_and(Ready::is_write_closed))
    }

    /// Sends the next byte of the answer that is still to come, if nothing else is on its way. A client that
    /// has closed its socket altogether responds with a reset.
    pub(crate) fn send_byte_ahead(&self) {
        let ahead = self.ahead.load(Relaxed);
        if let Some(byte) = OPENING.get(ahead..=ahead)
            && self.between_messages.load(Relaxed)
            && !self.is_encrypted
            && let Ok(sent) = self.stream.try_write(byte)
        {
            self.ahead.store(ahead + sent, Relaxed);
        }
    }

    /// Sends a zero with which the length of the next chunk begins, if nothing else is on its way.
    pub(crate) fn send_zero_ahead(&self) {
        let zeros = self.zeros.load(Relaxed);
        if zeros < MAX_ZEROS
            && self.between_messages.load(Relaxed)
            && !self.is_encrypted
            && let Ok(sent) = self.stream.try_write(b"0")
        {
            self.zeros.store(zeros + sent, Relaxed);
        }
    }

    /// Tells a client that speaks HTTP/2 to ask less, if no other frame is half on its way.
    pub(crate) fn send_calm(&self) {
        if self.between_messages.load(Relaxed) && !self.is_encrypted {
            // Best effort: the connection is closed after it in any case.
            let _ = self.stream.try_write(CALM);
        }
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            let mut descriptors = Vec::new();
            let received = self.stream.try_receive(buffer, &mut descriptors);
            if !descriptors.is_empty() {
                self.keep(descriptors);
            }
            match received {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                received => return Poll::Ready(received.map(drop)),
            }
        }
    }

    fn keep(&self, descriptors: Vec<OwnedFd>) {
        let mut kept = self.descriptors.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(descriptors);
        kept.truncate(MAX_DESCRIPTORS);
    }

    /// Returns the descriptors that have been received since the last call.
    pub(crate) fn take_descriptors(&self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.between_messages.store(false, Relaxed);
        self.zeros.store(0, Relaxed);
        let ahead = self.ahead.swap(0, Relaxed);
        if ahead > 0 {
            return Poll::Ready(pass_over(ahead, slices));
        }
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write_vectored(slices) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    /// Notes that all that was handed in is out.
    pub(crate) fn flushed(&self) {
        self.between_messages.store(true, Relaxed);
    }

    pub(crate) fn close_sending(&self) -> io::Result<()> {
        match SockRef::from(&self.stream).shutdown(Shutdown::Write) {
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            closed => closed,
        }
    }
}

/// Returns the number of bytes that are out already: those with which every answer begins.
///
/// # Errors
/// They are not what this answer begins with, so that nothing sensible can follow them.
fn pass_over(ahead: usize, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut begins = slices.iter().flat_map(|slice| slice.iter());
    if OPENING[..ahead].iter().all(|byte| begins.next() == Some(byte)) {
        Ok(ahead)
    } else {
        Err(io::Error::new(ErrorKind::InvalidData, "the answer does not begin as HTTP/1 answers do"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_ahead_is_not_sent_again() {
        let head = [IoSlice::new(b"HT"), IoSlice::new(b"TP/1.1 200 OK")];
        for ahead in 1..=OPENING.len() {
            assert_eq!(pass_over(ahead, &head).unwrap(), ahead);
        }
        assert!(pass_over(3, &[IoSlice::new(b"HT")]).is_err());
        assert!(pass_over(1, &[IoSlice::new(b"\0\0")]).is_err());
    }
}
