//! [`Trouble`]: what has gone wrong with a group, and whether the store can go on.

use std::io;

use procpool_registry::CommitError;
use rusqlite::{Connection, ErrorCode};
use rustix::io::Errno;

use crate::encode::Unreadable;
use crate::system;

/// Why a group fails.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// There is no space.
    #[error("there is no space left")]
    Full,
    /// A write has failed. Only its connection knows why.
    #[error("{0}")]
    Unwritten(String),
    /// The medium has failed, or its content is damaged.
    #[error("{0}")]
    Broken(String),
}

impl From<Trouble> for CommitError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Full => Self::Full,
            Trouble::Unwritten(reason) | Trouble::Broken(reason) => Self::Broken(reason),
        }
    }
}

impl Trouble {
    /// Asks the connection on which it happened why a write has failed. One beyond the largest file that a process may make
    /// leaves the last commit as it was, and so does a full disk. A disk that fails writes fails their syncs, too.
    pub(crate) fn settled(self, connection: &Connection) -> Self {
        match self {
            Self::Unwritten(_) if is_no_space(system::error_of(connection)) => Self::Full,
            Self::Unwritten(reason) => Self::Broken(reason),
            other => other,
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(failure, _) if is_full(failure) => Self::Full,
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE =>
            {
                Self::Unwritten(error.to_string())
            }
            other => Self::Broken(other.to_string()),
        }
    }
}

fn is_full(failure: &rusqlite::ffi::Error) -> bool {
    failure.code == ErrorCode::DiskFull
        // The index of the log, which is a file, too.
        || failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
}

fn is_no_space(error: i32) -> bool {
    [Errno::NOSPC, Errno::DQUOT, Errno::FBIG].map(Errno::raw_os_error).contains(&error)
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(code) if is_no_space(code) => Self::Full,
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl From<Unreadable> for Trouble {
    fn from(error: Unreadable) -> Self {
        Self::Broken(error.to_string())
    }
}
