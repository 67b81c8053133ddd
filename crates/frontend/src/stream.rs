//! A connected socket of either family: TCP or Unix. Both are the same to HTTP, as long as only bytes count.

use procpool_memory::lent;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};
use tokio::io::{Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};

pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Tcp(stream) => stream.ready(interest).await,
            Self::Unix(stream) => stream.ready(interest).await,
        }
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(bytes)])
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(slices),
            Self::Unix(stream) => stream.try_write_vectored(slices),
        }
    }

    /// Receives bytes, and adds the descriptors that came beside them, which only Unix sockets can pass.
    pub(crate) fn try_receive(
        &self,
        buffer: &mut ReadBuf<'_>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(buffer),
            Self::Unix(stream) => {
                let room = buffer.initialize_unfilled();
                let mut received = None;
                let outcome = stream.try_io(Interest::READABLE, || {
                    let most = room.len();
                    let (length, is_ended) = lent::receive(stream, room, descriptors)?;
                    received = Some(length);
                    // Nothing is left behind less than there was room for, unless descriptors ended it. The runtime then
                    // waits for more, instead of asking the system once for nothing.
                    let is_all = (1..most).contains(&length) && !is_ended;
                    if is_all { Err(ErrorKind::WouldBlock.into()) } else { Ok(length) }
                });
                let length = received.map_or(outcome, Ok)?;
                buffer.advance(length);
                Ok(length)
            }
        }
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}
