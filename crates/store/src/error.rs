//! [`OpenError`]: why a store cannot be opened, with the way out.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Something else is in the place of the directory, or of one above it.
    #[error("{} is no directory; name one for the state, or remove the file", path.display())]
    #[non_exhaustive]
    NotADirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The system does not permit it.
    #[error(
        "the state in {} cannot be opened: {reason}; make the directory one that this user may read and write",
        path.display()
    )]
    #[non_exhaustive]
    NoPermission {
        /// The directory or file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// The directory belongs to another user.
    #[error(
        "the state directory {} belongs to user {owner} and not to {user}, who runs this process; run it as its owner, \
         or `chown` the directory",
        path.display()
    )]
    #[non_exhaustive]
    OfAnother {
        /// The directory.
        path: PathBuf,
        /// Number of the user to whom it belongs.
        owner: u32,
        /// Number of this process' user.
        user: u32,
    },
    /// The directory is on a file system that other machines share.
    #[error(
        "the state directory {} is on {kind}, where neither locks nor syncs are certain; choose one on a local disk",
        path.display()
    )]
    #[non_exhaustive]
    Network {
        /// The directory.
        path: PathBuf,
        /// Name of the file system.
        kind: &'static str,
    },
    /// There is no store to look at.
    #[error("{} has no jobs: it is not the state directory of a server", path.display())]
    #[non_exhaustive]
    NoStore {
        /// The directory.
        path: PathBuf,
    },
    /// Another process has the store.
    #[error(
        "the state directory {} is in use by {}; stop that process, or choose another directory",
        path.display(), process(*holder)
    )]
    #[non_exhaustive]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Id of the process that has it, if it says so.
        holder: Option<u32>,
    },
    /// A later version has written it.
    #[error(
        "the state in {} has format {found}, and this version knows formats up to {known}; start the version that \
         wrote it, or choose another directory",
        path.display()
    )]
    #[non_exhaustive]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The disk is full.
    #[error("there is no space to open the state in {}; free some space", path.display())]
    #[non_exhaustive]
    Full {
        /// The directory or file.
        path: PathBuf,
    },
    /// Its content is damaged so that it cannot be read.
    #[error(
        "the state in {} is damaged: {reason}; restore the directory from a copy, or move it away and start with an \
         empty one",
        path.display()
    )]
    #[non_exhaustive]
    Damaged {
        /// The directory or file.
        path: PathBuf,
        /// The damage.
        reason: String,
    },
    /// The system failed in another way.
    #[error("the state in {} cannot be opened: {reason}", path.display())]
    #[non_exhaustive]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path, reason: io::Error) -> Self {
        let path = path.to_owned();
        match reason.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::NoPermission { path, reason }
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, reason },
        }
    }

    pub(crate) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(Code::DiskFull) => Self::Full { path },
            Some(Code::PermissionDenied | Code::ReadOnly | Code::CannotOpen) => {
                Self::NoPermission { path, reason: io::Error::other(error.to_string()) }
            }
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => {
                Self::Damaged { path, reason: error.to_string() }
            }
            _ => Self::Io { path, reason: io::Error::other(error.to_string()) },
        }
    }
}

fn process(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
