//! Local sockets: the listener in a directory of its own, and connections that know their peer.
//!
//! `interprocess` binds, connects and asks for credentials; underneath lies tokio's `UnixStream`,
//! which alone offers vectored and `try_` input and output.

use bytes::{Bytes, BytesMut};
use interprocess::local_socket::tokio::{Listener as LocalListener, Stream as LocalStream};
use interprocess::local_socket::traits::StreamCommon;
use interprocess::local_socket::traits::tokio::Listener as _;
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use interprocess::os::unix::uds_local_socket::tokio::Stream as UdStream;
use std::fs::{self, DirBuilder};
use std::io::{self, IoSlice};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Longest name of a Unix socket, in bytes: `sun_path` has 108, one of them the final zero.
const MAX_NAME: usize = 107;

/// Most segments given to one `writev`. The kernel's limit is 1024; a batch this long is worth the call.
const MAX_SEGMENTS: usize = 64;

/// A directory for one socket, which only this user may enter; removed when dropped.
#[derive(Debug)]
pub(crate) struct SocketDir {
    dir: PathBuf,
}

impl SocketDir {
    /// Makes a fresh directory in the first place that takes it and leaves the name short enough.
    ///
    /// The error names every place that was tried.
    pub(crate) fn create() -> io::Result<Self> {
        let name = format!("procpool-{}-{:08x}", std::process::id(), rand::random::<u32>());
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let places = runtime_dir.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp")]);
        let mut tried = Vec::new();
        for place in places {
            match Self::create_in(&place, &name) {
                Ok(dir) => return Ok(dir),
                Err(reason) => tried.push(format!("{}: {reason}", place.display())),
            }
        }
        Err(io::Error::other(format!(
            "failed to make a directory for the workers' socket ({}); set TMPDIR to a short, writable path",
            tried.join("; ")
        )))
    }

    fn create_in(place: &Path, name: &str) -> Result<Self, String> {
        let dir = place.join(name);
        let length = dir.join(Self::SOCKET).as_os_str().as_bytes().len();
        if !dir.is_absolute() || length > MAX_NAME {
            return Err(format!("a socket there has a name of {length} bytes, {MAX_NAME} is the limit"));
        }
        DirBuilder::new().mode(0o700).create(&dir).map_err(|error| error.to_string())?;
        Ok(Self { dir })
    }

    const SOCKET: &str = "s";

    /// The name of the socket in it.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join(Self::SOCKET)
    }
}

impl Drop for SocketDir {
    fn drop(&mut self) {
        // Somebody may have cleaned up before us.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Accepts connections.
#[derive(Debug)]
pub(crate) struct Listener(LocalListener);

impl Listener {
    /// Binds a socket that only this user may connect to. Needs a tokio runtime.
    pub(crate) fn bind(name: &Path) -> io::Result<Self> {
        let options = ListenerOptions::new().name(name.to_fs_name::<GenericFilePath>()?).mode(0o600);
        options.create_tokio().map(Self)
    }

    pub(crate) async fn accept(&self) -> io::Result<Socket> {
        let LocalStream::UdSocket(stream) = self.0.accept().await?;
        Ok(Socket(stream))
    }
}

/// Who is at the other end, by the kernel's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) pid: u32,
    pub(crate) uid: u32,
}

/// One connection to a worker.
#[derive(Debug)]
pub(crate) struct Socket(UdStream);

impl Socket {
    /// The peer's process id and user, as they were when it connected.
    pub(crate) fn peer(&self) -> io::Result<Peer> {
        let creds = self.0.peer_creds()?;
        let unknown = || io::Error::other("the kernel does not tell who connected");
        let pid = creds.pid().ok_or_else(unknown)?.unsigned_abs();
        let uid = creds.euid().ok_or_else(unknown)?;
        Ok(Peer { pid, uid })
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.0.inner().readable().await
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.0.inner().writable().await
    }

    /// Reads what is there into the free room of `buffer`. 0 is the end.
    pub(crate) fn try_read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        self.0.inner().try_read_buf(buffer)
    }

    /// Writes as much as the kernel takes of `segments`, starting `skip` bytes into the first.
    pub(crate) fn try_write<'a>(
        &self,
        segments: impl Iterator<Item = &'a Bytes>,
        skip: usize,
    ) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); MAX_SEGMENTS];
        let mut count = 0;
        for (slice, segment) in slices.iter_mut().zip(segments) {
            *slice = IoSlice::new(&segment[if count == 0 { skip } else { 0 }..]);
            count += 1;
        }
        self.0.inner().try_write_vectored(&slices[..count])
    }
}

/// This process's effective user.
pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
