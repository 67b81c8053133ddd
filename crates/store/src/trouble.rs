//! [`Trouble`]: what has gone wrong with a group, and whether the store can go on.

use std::io;

use procpool_registry::CommitError;
use rusqlite::ErrorCode;
use rustix::io::Errno;

use crate::encode::Unreadable;

/// Why a group fails.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// There is no space.
    #[error("there is no space left")]
    Full,
    /// The medium has failed, or its content is damaged.
    #[error("{0}")]
    Broken(String),
}

impl From<Trouble> for CommitError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Full => Self::Full,
            Trouble::Broken(reason) => Self::Broken(reason),
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(failure, _) if is_full(failure) => Self::Full,
            other => Self::Broken(other.to_string()),
        }
    }
}

/// A write that fails leaves the last commit as it was, also one beyond the largest file that a process may make. Which
/// of the two it was, SQLite does not tell. A disk that fails writes fails their syncs, too.
fn is_full(failure: &rusqlite::ffi::Error) -> bool {
    failure.code == ErrorCode::DiskFull
        // The index of the log, which is a file, too.
        || failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
        || failure.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE && too_large()
}

/// Returns whether the last call to the system has failed because a file would be too large.
fn too_large() -> bool {
    io::Error::last_os_error().kind() == io::ErrorKind::FileTooLarge
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        let full = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG].map(Errno::raw_os_error);
        match error.raw_os_error() {
            Some(code) if full.contains(&code) => Self::Full,
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl From<Unreadable> for Trouble {
    fn from(error: Unreadable) -> Self {
        Self::Broken(error.to_string())
    }
}
