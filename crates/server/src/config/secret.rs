//! Files that nobody but this user and root may have read or written: tokens and keys.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file cannot be used as a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSecret {
    /// It cannot be read.
    #[error("failed to read {what} {}: {reason}", path.display())]
    Read {
        /// The purpose of the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// Others know or choose it.
    #[error(
        "{what} {path} is no secret, as its mode is {mode:04o} and it belongs to user {owner}; it has to be this user's \
         or root's (chown), and for its owner alone (chmod 600 {path})", path = path.display()
    )]
    Open {
        /// The purpose of the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner.
        owner: u32,
    },
}

/// Reads a file of at most `limit` bytes, which `what` names with an article.
///
/// # Errors
/// When it cannot be read, is longer, or is not secret.
pub(crate) fn read(what: &'static str, path: &Path, limit: u64) -> Result<String, NoSecret> {
    let failed = |reason| NoSecret::Read { what, path: path.to_owned(), reason };
    let file = File::open(path).map_err(failed)?;
    judge(what, path, &file)?;
    let mut text = String::new();
    file.take(limit + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > limit {
        return Err(failed(io::Error::other(format!("it is longer than {limit} bytes"))));
    }
    Ok(text)
}

/// Judges a file after it was opened, so that nobody can exchange it in between.
///
/// # Errors
/// When others may have read or written it.
pub(crate) fn judge(what: &'static str, path: &Path, file: &File) -> Result<(), NoSecret> {
    let failed = |reason| NoSecret::Read { what, path: path.to_owned(), reason };
    let found = file.metadata().map_err(failed)?;
    let user = rustix::process::geteuid().as_raw();
    if !found.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    if found.mode() & 0o077 != 0 || (found.uid() != user && found.uid() != 0) {
        let (path, mode, owner) = (path.to_owned(), found.mode() & 0o7777, found.uid());
        return Err(NoSecret::Open { what, path, mode, owner });
    }
    Ok(())
}
