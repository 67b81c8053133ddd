//! Why a pool cannot save failed jobs where, or as, it should.

use std::io;
use std::path::PathBuf;

/// Failed jobs cannot be saved where, or as, they should be. Reads after “failed to start pool: ”.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// There is no such directory, and none can be made; or others can write in it.
    #[error("save_failed_jobs cannot be the directory {}: {reason}", dir.display())]
    #[non_exhaustive]
    Dir {
        /// The directory.
        dir: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// The files would be called after a pool whose name is no part of a file's name.
    #[error("save_failed_jobs names files after the pool, so the pool's name cannot hold `/` or NUL")]
    PoolName,
    /// A recording describes itself in JSON, which is text.
    #[error("save_failed_jobs cannot write down {what} {value:?}: it is not UTF-8")]
    #[non_exhaustive]
    NotText {
        /// Its kind: the executable, an argument, …
        what: &'static str,
        /// Its value, as far as it is text.
        value: String,
    },
    /// A recording names the executable that runs it again.
    #[error("save_failed_jobs needs a pool that starts its workers; those that attach name no executable")]
    Attached,
    /// The system gives no thread.
    #[error("failed to start the thread that saves jobs: {0}")]
    Thread(io::Error),
}

/// A directory is no place for saved jobs, which name what `procpool replay` runs.
#[derive(Debug, thiserror::Error)]
pub(super) enum Insecure {
    #[error(
        "it belongs to user {owner}, and this process is of user {user}; name a directory of your own, or one that is \
         not there yet"
    )]
    Foreign { owner: u32, user: u32 },
    #[error(
        "others than its owner may write to it (mode {mode:04o}); `chmod go-w {}`, or name one that is not there yet",
        dir.display()
    )]
    Open { dir: PathBuf, mode: u32 },
}
