//! A connection to the coordinator: blocking, and shared by the threads that read, write and shut it down.

use crate::received::Source;
use interprocess::local_socket::prelude::*;
use interprocess::local_socket::{GenericFilePath, Stream};
use procpool_protocol::limits::MAX_ATTACHMENTS;
use rustix::cmsg_space;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One connection; clones share it.
///
/// Connected by interprocess, whose own stream has neither vectored writes nor a shutdown that the other side
/// notices. This is the stream inside it.
#[derive(Clone, Debug)]
pub(crate) struct Socket(Arc<UnixStream>);

impl Socket {
    /// Connects to the coordinator's socket.
    pub(crate) fn connect(path: &Path) -> io::Result<Self> {
        let Stream::UdSocket(stream) = Stream::connect(path.to_fs_name::<GenericFilePath>()?)?;
        Ok(UnixStream::from(OwnedFd::from(stream)).into())
    }

    /// Sets the maximum time that one read may block. `None` removes it.
    pub(crate) fn bound_reads(&self, patience: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(patience)
    }

    /// Lets readers read the bytes that have arrived, then the end of file. Wakes a blocked reader.
    pub(crate) fn close_for_reading(&self) {
        // A broken connection is closed for reading already.
        let _ = self.0.shutdown(Shutdown::Read);
    }

    /// Returns the number of its descriptor.
    pub(crate) fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self(Arc::new(stream))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Source for Socket {
    fn receive(&mut self, into: &mut [u8]) -> io::Result<(usize, Option<Vec<OwnedFd>>)> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_ATTACHMENTS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let landing = &mut [IoSliceMut::new(into)];
        let received = recvmsg(&*self.0, landing, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut descriptors = None;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.get_or_insert_with(Vec::new).extend(rights);
            }
        }
        // The kernel drops descriptors if this process may not open further ones. The frame must know that.
        let some_are_lost = received.flags.contains(ReturnFlags::CTRUNC);
        Ok((received.bytes, if some_are_lost { Some(descriptors.unwrap_or_default()) } else { descriptors }))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.0).write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
