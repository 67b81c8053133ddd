//! A directory for one socket, which only this user may enter, and the sweeping of those whose owner
//! was killed.
//!
//! The owner holds a lock on the directory, which the kernel drops with the owner, however it ends. So
//! a directory that can be locked is nobody's, whatever became of the process id in its name.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Longest name of a Unix socket, in bytes: `sun_path` has 108, one of them the final zero.
const MAX_NAME: usize = 107;

/// What the names of all such directories begin with.
const PREFIX: &str = "procpool-";

/// Name of the socket in its directory.
const SOCKET: &str = "s";

/// Directories that are made before giving up on a place where others sweep at the same time.
const ATTEMPTS: usize = 8;

/// Most entries of a place that are looked at for directories to sweep.
const SWEEP: usize = 10_000;

/// Removed when dropped.
#[derive(Debug)]
pub(crate) struct SocketDir {
    dir: PathBuf,
    _lock: File,
}

impl SocketDir {
    /// Makes a fresh directory in the first place that takes it and leaves the name short enough, and
    /// sweeps that place.
    ///
    /// The error names every place that was tried.
    pub(crate) fn create() -> io::Result<Self> {
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let places = runtime_dir.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp")]);
        let mut tried = Vec::new();
        for place in places {
            match Self::create_in(&place) {
                Ok(dir) => {
                    sweep(&place);
                    return Ok(dir);
                }
                Err(reason) => tried.push(format!("{}: {reason}", place.display())),
            }
        }
        Err(io::Error::other(format!(
            "failed to make a directory for the workers' socket ({}); set TMPDIR to a short, writable path",
            tried.join("; ")
        )))
    }

    fn create_in(place: &Path) -> Result<Self, String> {
        let mut attempts = (0..ATTEMPTS).map(|_| Self::try_create_in(place));
        attempts.find_map(Result::transpose).unwrap_or_else(|| Err("others keep sweeping it away".into()))
    }

    /// None if another coordinator that sweeps at this very moment took the directory for a dead one's.
    fn try_create_in(place: &Path) -> Result<Option<Self>, String> {
        let dir = place.join(format!("{PREFIX}{}-{:08x}", std::process::id(), rand::random::<u32>()));
        let length = dir.join(SOCKET).as_os_str().as_bytes().len();
        if !dir.is_absolute() || length > MAX_NAME {
            return Err(format!("a socket there has a name of {length} bytes, {MAX_NAME} is the limit"));
        }
        DirBuilder::new().mode(0o700).create(&dir).map_err(|error| error.to_string())?;
        let ours = lock(&dir).ok().filter(|_| dir.exists());
        Ok(ours.map(|lock| Self { dir, _lock: lock }))
    }

    /// The name of the socket in it.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join(SOCKET)
    }
}

impl Drop for SocketDir {
    fn drop(&mut self) {
        remove(&self.dir);
    }
}

/// Removes the socket and its directory. One that holds anything else is not ours, whatever it is called, and stays.
fn remove(dir: &Path) {
    let mut entries = fs::read_dir(dir).into_iter().flatten().flatten();
    if entries.all(|entry| entry.file_name() == SOCKET) {
        // Somebody may have cleaned up before us.
        let _ = fs::remove_file(dir.join(SOCKET));
        let _ = fs::remove_dir(dir);
    }
}

/// Whether a directory of ours could be called so: `procpool-<pid>-<8 hexadecimal digits>`.
fn is_name(name: &[u8]) -> bool {
    let rest = std::str::from_utf8(name).ok().and_then(|name| name.strip_prefix(PREFIX));
    rest.and_then(|rest| rest.split_once('-')).is_some_and(|(pid, random)| {
        let is_hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
        pid.parse::<u32>().is_ok() && random.len() == 8 && random.bytes().all(is_hex)
    })
}

fn lock(dir: &Path) -> io::Result<File> {
    let file = File::open(dir)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Removes what coordinators of this user left behind that were killed.
fn sweep(place: &Path) {
    let own = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(place).into_iter().flatten().flatten().take(SWEEP) {
        let is_ours = |metadata: fs::Metadata| metadata.is_dir() && metadata.uid() == own;
        if is_name(entry.file_name().as_bytes())
            && entry.metadata().is_ok_and(is_ours)
            && lock(&entry.path()).is_ok()
        {
            remove(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_an_owner_is_swept_and_a_live_one_is_not() {
        let place = std::env::temp_dir().join(format!("pp-sweep-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        let live = SocketDir::create_in(&place).unwrap();
        let dead = place.join(format!("{PREFIX}1-00000000"));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(SOCKET), "").unwrap();
        let foreign = ["something-else", "procpool-0.1.0", "procpool-src-12345678", "procpool-1-12345678"]
            .map(|name| place.join(name));
        for dir in &foreign {
            fs::create_dir(dir).unwrap();
        }
        // Called like one of ours, and yet somebody's.
        fs::write(foreign[3].join("thesis.tex"), "").unwrap();

        sweep(&place);
        assert!(!dead.exists());
        assert!(live.dir.exists());
        assert!(foreign.iter().all(|dir| dir.exists()) && foreign[3].join("thesis.tex").exists());

        let gone = live.dir.clone();
        drop(live);
        assert!(!gone.exists());
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn a_place_with_too_long_a_name_is_refused_with_the_limit() {
        let place = Path::new("/tmp").join("x".repeat(100));
        let reason = SocketDir::create_in(&place).unwrap_err();
        assert!(reason.contains("107 is the limit"), "{reason}");
    }
}
