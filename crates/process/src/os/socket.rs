//! Unix sockets: the pairs that spawned workers inherit, and the named one at which others attach.
//!
//! `interprocess` binds and accepts for the named one. The connections are tokio's `UnixStream`, because only
//! it offers vectored and `try_` input and output.

use super::kin;
use crate::clock;
use crate::outbox::Pipe;
use bytes::{Bytes, BytesMut};
use interprocess::local_socket::tokio::{Listener as LocalListener, Stream as LocalStream};
use interprocess::local_socket::traits::StreamCommon;
use interprocess::local_socket::traits::tokio::Listener as _;
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use procpool_protocol::attachments::Attachment;
use procpool_protocol::limits::MAX_ATTACHMENTS;
use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::Pid;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Maximum number of segments given to one `writev`. The kernel's limit is 1024; a batch this long is worth
/// the call.
const MAX_SEGMENTS: usize = 64;

/// Time before the next attempt to send descriptors that the kernel does not accept now.
pub(crate) const CROWDED: Duration = Duration::from_millis(5);

/// Size of the buffer of one read, in bytes. It holds a batch of answers to small jobs with room left.
const FEW: usize = 4096;

/// Accepts connections.
#[derive(Debug)]
pub(crate) struct Listener(LocalListener);

impl Listener {
    /// Binds a socket that only this user may connect to. Needs a tokio runtime.
    pub(crate) fn bind(name: &Path) -> io::Result<Self> {
        let options = ListenerOptions::new().name(name.to_fs_name::<GenericFilePath>()?).mode(0o600);
        // The attach point removes the name, because it distinguishes a fork from its parent.
        options.reclaim_name(false).create_tokio().map(Self)
    }

    /// Returns the next connection and its peer, with a pidfd of that process if there is one.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Peer, Option<OwnedFd>)> {
        let LocalStream::UdSocket(stream) = self.0.accept().await?;
        let creds = stream.peer_creds()?;
        let unknown = || io::Error::other("the kernel does not tell who connected");
        // 0 for a process in another pid namespace.
        let pid = creds.pid().unwrap_or_default().unsigned_abs();
        let uid = creds.euid().ok_or_else(unknown)?;
        let stream = std::os::unix::net::UnixStream::from(OwnedFd::try_from(stream)?);
        let pidfd = super::peer::pidfd(stream.as_fd());
        Ok((Socket::new(stream)?, Peer { pid, uid }, pidfd))
    }
}

/// The process at the other end, by the kernel's information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) pid: u32,
    pub(crate) uid: u32,
}

/// One connection to a worker.
#[derive(Debug)]
pub(crate) struct Socket(UnixStream);

impl Socket {
    /// Wraps a non-blocking socket. Needs a tokio runtime with I/O.
    pub(crate) fn new(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        UnixStream::from_std(stream).map(Self)
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    /// Reads the available bytes into the free room of `buffer`. Returns 0 at the end.
    pub(crate) fn try_read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        self.0.try_read_buf(buffer)
    }

    /// Returns the process that has sent the first byte which was not read yet, see [`kin`].
    pub(crate) fn try_first_sender(&self) -> io::Result<Option<Pid>> {
        self.0.try_io(Interest::READABLE, || kin::first_sender(&self.0))
    }

    /// Reads as [`try_read`](Self::try_read) does, and returns whether that was all for now. A read that does
    /// not fill its buffer shows that, and saves another read that finds nothing. Later bytes make the socket
    /// readable again.
    pub(crate) fn try_read_all(&self, buffer: &mut BytesMut) -> io::Result<(usize, bool)> {
        let stream = &self.0;
        let (mut few, mut length) = ([MaybeUninit::<u8>::uninit(); FEW], 0);
        // This error makes tokio record that nothing is left to read. It must come from the read itself: only
        // then does it not cancel what the kernel has reported since.
        let read = stream.try_io(Interest::READABLE, || {
            let (read, _) = rustix::io::read(stream, &mut few)?;
            buffer.extend_from_slice(read);
            length = read.len();
            if (1..FEW).contains(&length) { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match read {
            Ok(()) => Ok((length, false)),
            Err(error) if error.kind() == ErrorKind::WouldBlock && length > 0 => Ok((length, true)),
            Err(error) => Err(error),
        }
    }

    /// Sends bytes, and descriptors with the first of them. Waits for room.
    pub(crate) async fn send(&self, bytes: &Bytes, attachments: &[Attachment]) -> io::Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            self.writable().await?;
            let sent = match written {
                0 if !attachments.is_empty() => self.try_send(std::iter::once(bytes), attachments),
                _ => self.try_write(std::iter::once(bytes), written),
            };
            match sent {
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if is_crowded(&error) => clock::sleep(CROWDED).await,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Pipe for Socket {
    /// Writes as much of `segments` as the kernel accepts, starting `skip` bytes into the first.
    fn try_write<'a>(&self, segments: impl Iterator<Item = &'a Bytes>, skip: usize) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); MAX_SEGMENTS];
        let count = gather(&mut slices, segments, skip);
        self.0.try_write_vectored(&slices[..count])
    }

    /// Sends descriptors with the first byte of `segments`, and as many of those bytes as the kernel accepts.
    /// The descriptors are sent only if this returns a number.
    fn try_send<'a>(
        &self,
        segments: impl Iterator<Item = &'a Bytes>,
        attachments: &[Attachment],
    ) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); MAX_SEGMENTS];
        let count = gather(&mut slices, segments, 0);
        let descriptors: Vec<_> = attachments.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_ATTACHMENTS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::Error::other("too many descriptors for one frame"));
        }
        let stream = &self.0;
        stream.try_io(Interest::WRITABLE, || {
            Ok(sendmsg(stream, &slices[..count], &mut control, SendFlags::NOSIGNAL)?)
        })
    }
}

/// Fills slices with segments, from `skip` bytes into the first on. Returns their number.
fn gather<'a>(slices: &mut [IoSlice<'a>], segments: impl Iterator<Item = &'a Bytes>, skip: usize) -> usize {
    let mut count = 0;
    for (slice, segment) in slices.iter_mut().zip(segments) {
        *slice = IoSlice::new(&segment[if count == 0 { skip } else { 0 }..]);
        count += 1;
    }
    count
}

/// Returns whether descriptors were rejected because too many of this user's are in flight. That ends when
/// receivers read.
pub(crate) fn is_crowded(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::TOOMANYREFS.raw_os_error())
}

/// Returns this process's effective user.
pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    #[tokio::test]
    async fn a_read_that_brings_all_there_is_says_so_and_misses_nothing_that_comes_later() {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let socket = Socket::new(ours).unwrap();
        let mut buffer = BytesMut::new();
        for length in [3, FEW - 1] {
            peer.write_all(&vec![7; length]).unwrap();
            socket.readable().await.unwrap();
            assert_eq!(socket.try_read_all(&mut buffer).unwrap(), (length, true));
            let nothing = socket.try_read_all(&mut buffer).unwrap_err();
            assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        }
        peer.write_all(&[8; FEW + 1]).unwrap();
        drop(peer);
        socket.readable().await.unwrap();
        assert_eq!(socket.try_read_all(&mut buffer).unwrap(), (FEW, false));
        assert_eq!(socket.try_read_all(&mut buffer).unwrap(), (1, true));
        assert_eq!(buffer.len(), 3 + FEW - 1 + FEW + 1);
        socket.readable().await.unwrap();
        assert_eq!(socket.try_read_all(&mut buffer).unwrap(), (0, false), "the end");
    }
}
