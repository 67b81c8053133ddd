//! [`compact`]: gives free space of the database back to the disk.

use std::fs;
use std::path::Path;

use super::existing;
use crate::error::OpenError;
use crate::place::Lock;
use crate::schema::{self, Durability};

/// The size of a database before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// In bytes.
    pub before: u64,
    /// In bytes.
    pub after: u64,
}

/// Rewrites the database without its free pages. Needs as much space again while it runs.
///
/// # Errors
/// When there is no store, a process has it, or there is no space.
pub fn compact(directory: impl AsRef<Path>) -> Result<Compacted, OpenError> {
    let directory = directory.as_ref();
    let database = existing(directory)?;
    let _lock = Lock::take(directory)?;
    let failed = |error| OpenError::sqlite(directory, &error);
    let connection = schema::connect(&database, Durability::Fsync).map_err(failed)?;
    let size = || fs::metadata(&database).map(|it| it.len()).map_err(|error| OpenError::io(&database, error));
    let checkpoint =
        || connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed);
    checkpoint()?;
    let before = size()?;
    connection.execute_batch("VACUUM").map_err(failed)?;
    checkpoint()?;
    Ok(Compacted { before, after: size()? })
}
