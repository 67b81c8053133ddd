//! A named Unix socket that only this user and root can connect to.

use super::place;
use crate::os::fork::Home;
use rustix::fs::{Mode, OFlags, fchmod, open};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Maximum number of connections that wait to be accepted; the kernel may allow fewer (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// The name of a socket in the file system. Removed when dropped, unless another process's socket has the
/// name by then.
#[derive(Debug)]
pub struct SocketName {
    path: PathBuf,
    /// Holds the file open, so that its inode number stays valid when another process takes over the name.
    file: File,
    home: Home,
}

impl SocketName {
    /// Binds a non-blocking socket of mode 0600. Creates its directory for this user alone if that alone is
    /// missing. Takes over the name that a killed server has left behind.
    ///
    /// # Errors
    /// When the name is relative or longer than 107 bytes, another process listens there, or something else
    /// has that name. Also when other users could replace the socket with one of theirs, and when the
    /// directory is missing with those above it or would lie in `/`.
    pub fn bind(path: &Path) -> io::Result<(UnixListener, Self)> {
        place::prepare_name(path, 0o700).map_err(io::Error::other)?;
        let listener = listen(path)?;
        let file = File::from(open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?);
        Ok((listener, Self { path: path.into(), file, home: Home::here() }))
    }
}

/// Listens without blocking.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = bind(path)?;
    // The umask may have taken the owner's own rights away.
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Binds a socket to a name that nobody else may use from its first moment, whatever the umask is: the name gets
/// the mode of the socket.
fn bind(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

impl Drop for SocketName {
    fn drop(&mut self) {
        // In a fork, the name belongs to the parent.
        if self.home.is_here() && self.has_the_name().unwrap_or(false) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl SocketName {
    fn has_the_name(&self) -> io::Result<bool> {
        let (ours, theirs) = (self.file.metadata()?, fs::symlink_metadata(&self.path)?);
        Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_its_users_alone_from_its_first_moment() {
        let path = std::env::temp_dir().join(format!("pp-first-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let _socket = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o077, 0);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_name_is_for_its_user_alone_and_goes_unless_another_has_it() {
        let dir = std::env::temp_dir().join(format!("pp-private-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let path = dir.join("s");
        let (listener, name) = SocketName::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        assert!(SocketName::bind(&path).unwrap_err().to_string().contains("another process listens there"));
        // As if its server had been killed. A close is not enough: children of other tests that have not run
        // their programs yet hold it, too.
        net::shutdown(&listener, net::Shutdown::Both).unwrap();
        let (_listener, other) = SocketName::bind(&path).unwrap();
        drop(name);
        assert!(path.exists(), "it is another's by now");
        drop(other);
        assert!(!path.exists());
        fs::write(&path, "a file").unwrap();
        assert!(SocketName::bind(&path).unwrap_err().to_string().contains("no socket"));
        assert!(SocketName::bind(Path::new("s")).unwrap_err().to_string().contains("must be absolute"));
        fs::remove_dir_all(dir).unwrap();
    }
}
