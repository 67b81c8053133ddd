//! The two files of an attach point: the socket's name, and the token beside it.

use crate::os::fork::Home;
use crate::trust;
use procpool_memory::growth::Growing;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Maximum length of the name of a Unix socket, in bytes: `sun_path` has 108, including the final zero.
const MAX_NAME: usize = 107;

/// The files are removed when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    socket: PathBuf,
    token: PathBuf,
    home: Home,
}

impl Place {
    /// Checks that the socket can be bound, and writes the token. Users other than this one may connect if it
    /// `is_shared`.
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
        // In a fork, the files belong to the parent.
        if !self.home.is_here() {
            return;
        }
        // Another process may have removed it already.
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_file(&self.token);
    }
}

/// Checks that a socket of this name can be bound. Creates its directory with this mode if that alone is missing.
pub(super) fn prepare_name(socket: &Path, mode: u32) -> Result<(), String> {
    let length = socket.as_os_str().as_bytes().len();
    if !socket.is_absolute() || length > MAX_NAME {
        return Err(format!(
            "the socket's name has {length} bytes; it must be absolute and at most {MAX_NAME} bytes long"
        ));
    }
    let dir = socket.parent().unwrap_or(Path::new("/"));
    if let Some(missing) = unexpected(dir) {
        return Err(format!("there is no directory {}: create it if the name is right", missing.display()));
    }
    trust::make_directory(dir, mode).map_err(|error| match error.kind() {
        // The error names the directory itself, which may be a parent.
        io::ErrorKind::PermissionDenied if error.get_ref().is_some() => error.to_string(),
        _ => format!("cannot make {}: {error}", dir.display()),
    })?;
    clear(socket)
}

/// Returns the directory that is missing and is not created: more than the last one, or one in the root directory.
/// Its name is rather misspelt than meant.
fn unexpected(dir: &Path) -> Option<&Path> {
    let missing = dir.ancestors().take_while(|it| fs::symlink_metadata(it).is_err()).last()?;
    (missing != dir || missing.parent() == Some(Path::new("/"))).then_some(missing)
}

fn token_file(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".token");
    name.into()
}

/// Removes the files that a killed server left behind.
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
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    Growing::from(file).write_all(format!("{token}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
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
    fn of_a_path_that_is_not_there_the_last_directory_is_created_and_no_other() {
        let scratch = Scratch::new("missing");
        let in_root = format!("/procpool-no-such-directory-{}", std::process::id());
        for (socket, missing) in [
            (scratch.0.join("below/s"), &*scratch.0),
            (scratch.0.join("below/deeper/s"), &*scratch.0),
            (Path::new(&in_root).join("s"), Path::new(&in_root)),
        ] {
            let refused = Place::prepare(&socket, "abc", false).unwrap_err().to_string();
            let said = format!("there is no directory {}: create it if the name is right", missing.display());
            assert!(refused.contains(&said), "{refused}");
            assert!(!missing.exists());
        }
        Place::prepare(&scratch.0.join("s"), "abc", false).unwrap();
        Place::prepare(&scratch.0.join("below/s"), "abc", false).unwrap();
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
