//! A connection to the coordinator: blocking, shared by the thread that reads, those that write and the
//! one that ends it.

use interprocess::local_socket::prelude::*;
use interprocess::local_socket::{GenericFilePath, Stream};
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One connection; clones are the same one.
///
/// Connected by interprocess, whose own stream has neither vectored writes nor a shutdown that the
/// other side notices; this is what is inside it.
#[derive(Clone, Debug)]
pub(crate) struct Socket(Arc<UnixStream>);

impl Socket {
    /// Connects to the coordinator's socket.
    pub(crate) fn connect(path: &Path) -> io::Result<Self> {
        let Stream::UdSocket(stream) = Stream::connect(path.to_fs_name::<GenericFilePath>()?)?;
        Ok(UnixStream::from(OwnedFd::from(stream)).into())
    }

    /// Bounds how long one read may block, until `None` is given.
    pub(crate) fn bound_reads(&self, patience: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(patience)
    }

    /// Lets readers have what has arrived, then the end of file; wakes one that is blocked.
    pub(crate) fn close_for_reading(&self) {
        // A connection that is gone already is closed for reading, too.
        let _ = self.0.shutdown(Shutdown::Read);
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self(Arc::new(stream))
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(into)
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
