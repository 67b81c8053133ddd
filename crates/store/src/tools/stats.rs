//! [`stats`]: how much a store has.

use std::fs;
use std::path::Path;

use procpool_registry::Usage;

use super::Readable;
use crate::error::OpenError;
use crate::open::damage;
use crate::place::{self, Spool};

/// How much a store has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Counts and sums of the records that are whole.
    pub usage: Usage,
    /// Number of damaged records, with those that starts have set aside.
    pub damaged: u64,
    /// Size of the database, in bytes.
    pub database_bytes: u64,
    /// Size of the part of the database that is free, in bytes. [`compact`](crate::compact) gives it back.
    pub free_bytes: u64,
    /// Size of the write-ahead log, in bytes.
    pub log_bytes: u64,
    /// Number of inputs and results that are files.
    pub files: u64,
    /// Size of these files, in bytes.
    pub file_bytes: u64,
    /// Whether there is a reserve of space for a full disk.
    pub has_reserve: bool,
}

/// Counts what a store has. Works while a server has it, and changes nothing.
///
/// # Errors
/// When there is no store, or it cannot be read.
pub fn stats(directory: impl AsRef<Path>) -> Result<Stats, OpenError> {
    let directory = directory.as_ref();
    let store = Readable::open(directory)?;
    let mut stats = Stats::default();
    store.each(|record| match record {
        Ok(record) => stats.usage.add(&record),
        Err(_) => stats.damaged += 1,
    })?;
    let known = damage(&store.connection).map_err(|trouble| store.told(trouble))?;
    stats.damaged += known.len() as u64;
    let number = |pragma: &str| {
        store.connection.pragma_query_value(None, pragma, |row| row.get(0).map(i64::cast_unsigned))
    };
    let free = number("freelist_count").and_then(|pages| Ok(pages * number("page_size")?));
    stats.free_bytes = free.map_err(|error| OpenError::sqlite(directory, &error))?;
    let size = |name: &str| fs::metadata(directory.join(name)).map_or(0, |it| it.len());
    stats.database_bytes = size(place::DATABASE);
    stats.log_bytes = size(place::WAL);
    stats.has_reserve = size(place::RESERVE) > 0;
    for file in Spool::of(directory).files().map_err(|error| OpenError::io(directory, error))? {
        stats.files += 1;
        // A server may have removed it meanwhile.
        stats.file_bytes += fs::metadata(file).map_or(0, |it| it.len());
    }
    Ok(stats)
}
