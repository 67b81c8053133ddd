//! The two files of an attach point: the socket's name, and the token beside it.

use crate::os::fork::Home;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Longest name of a Unix socket, in bytes: `sun_path` has 108, one of them the final zero.
const MAX_NAME: usize = 107;

/// Set on directories in which everybody may write, and only owners may rename or remove.
const STICKY: u32 = 0o1000;

/// Removed when dropped.
#[derive(Debug)]
pub(super) struct Place {
    socket: PathBuf,
    token: PathBuf,
    home: Home,
}

impl Place {
    /// Sees to it that the socket can be bound, and writes the token.
    /// Others than this user connect if it `is_shared`.
    pub(super) fn prepare(socket: &Path, token: &str, is_shared: bool) -> io::Result<Self> {
        let failed = |reason: String| {
            io::Error::other(format!("failed to let workers attach at {}: {reason}", socket.display()))
        };
        prepare_name(socket, if is_shared { 0o711 } else { 0o700 }).map_err(failed)?;
        let token_file = token_file(socket);
        write_token(&token_file, token)
            .map_err(|error| failed(format!("the token file {}: {error}", token_file.display())))?;
        Ok(Self { socket: socket.into(), token: token_file, home: Home::here() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // In a fork they are the parent's.
        if !self.home.is_here() {
            return;
        }
        // Somebody may have cleaned up before us.
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_file(&self.token);
    }
}

/// Sees to it that a socket of this name can be bound, in a directory that is made with this mode where it is missing.
pub(super) fn prepare_name(socket: &Path, mode: u32) -> Result<(), String> {
    let length = socket.as_os_str().as_bytes().len();
    if !socket.is_absolute() || length > MAX_NAME {
        return Err(format!(
            "the socket's name has {length} bytes; it must be absolute and at most {MAX_NAME} bytes long"
        ));
    }
    prepare_directory(socket.parent().unwrap_or(Path::new("/")), mode)?;
    clear(socket)
}

fn token_file(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".token");
    name.into()
}

/// The directory, made where it is missing. One in which others may swap the socket is refused.
fn prepare_directory(dir: &Path, mode: u32) -> Result<(), String> {
    if !dir.exists() {
        let made = DirBuilder::new().mode(mode).create(dir);
        made.map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    }
    if !fs::metadata(dir).map_err(|error| format!("{}: {error}", dir.display()))?.is_dir() {
        return Err(format!("{} is no directory", dir.display()));
    }
    let own = rustix::process::geteuid().as_raw();
    // Those above it, too: who may rename one of them may swap all that is below.
    let all = dir.canonicalize().map_err(|error| format!("{}: {error}", dir.display()))?;
    for dir in all.ancestors() {
        let metadata = fs::metadata(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let is_trusted = metadata.uid() == own || metadata.uid() == 0;
        let is_open = metadata.mode() & 0o022 != 0 && metadata.mode() & STICKY == 0;
        if !is_trusted || is_open {
            return Err(format!(
                "others may replace files in {}; use a directory that only this user may write to (chmod go-w)",
                dir.display()
            ));
        }
    }
    Ok(())
}

/// Removes what a server left behind that was killed.
fn clear(socket: &Path) -> Result<(), String> {
    match fs::symlink_metadata(socket) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(metadata) if !metadata.file_type().is_socket() => Err("there is a file that is no socket".into()),
        Ok(_) => match UnixStream::connect(socket) {
            Ok(_) => Err("another process listens there".into()),
            Err(_) => fs::remove_file(socket).map_err(|error| error.to_string()),
        },
    }
}

fn write_token(file: &Path, token: &str) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(format!("{token}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("pp-attach-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            Self(dir)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_token_is_for_its_user_alone_and_goes_with_the_place() {
        let scratch = Scratch::new("token");
        let socket = scratch.0.join("fib.sock");
        let place = Place::prepare(&socket, "abc", false).unwrap();
        let token = scratch.0.join("fib.sock.token");
        assert_eq!(fs::read_to_string(&token).unwrap(), "abc\n");
        assert_eq!(fs::metadata(&token).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&scratch.0).unwrap().mode() & 0o777, 0o700);
        drop(place);
        assert!(!token.exists());
    }

    #[test]
    fn a_live_socket_is_left_alone_and_a_dead_ones_name_is_taken() {
        let scratch = Scratch::new("live");
        let socket = scratch.0.join("s");
        drop(Place::prepare(&socket, "abc", false).unwrap());
        let live = UnixListener::bind(&socket).unwrap();
        let refused = Place::prepare(&socket, "abc", false).unwrap_err().to_string();
        assert!(refused.contains("another process listens there"), "{refused}");
        drop(live);
        Place::prepare(&socket, "abc", false).unwrap();
    }

    #[test]
    fn a_directory_in_which_others_may_swap_the_socket_is_refused() {
        let scratch = Scratch::new("open");
        fs::create_dir(&scratch.0).unwrap();
        fs::set_permissions(&scratch.0, Permissions::from_mode(0o777)).unwrap();
        let refused = Place::prepare(&scratch.0.join("s"), "abc", false).unwrap_err().to_string();
        assert!(refused.contains("others may replace files"), "{refused}");
        fs::set_permissions(&scratch.0, Permissions::from_mode(0o1777)).unwrap();
        Place::prepare(&scratch.0.join("s"), "abc", false).unwrap();
        let long = Place::prepare(&scratch.0.join("x".repeat(108)), "abc", false).unwrap_err().to_string();
        assert!(long.contains("at most 107 bytes"), "{long}");
    }
}
