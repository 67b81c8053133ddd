//! The tables, the settings of SQLite, and the steps from older tables to today's.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// How much a commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, of the system and of the power: each commit waits for the disk.
    #[default]
    Fsync,
    /// The end of the process alone. A crash of the system can undo the last commits, in order.
    Process,
}

/// The version of the tables.
pub(crate) const VERSION: u32 = 1;

/// Times that do not fit into 63 bits sort as the last one. The record itself has the exact time.
///
/// `list` serves pages, waiting jobs and running ones. The others have an entry only for those records to which they
/// can lead, so that a job that waits costs two entries.
const TABLES: &str = "
CREATE TABLE pool (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE job (
    seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, pool INTEGER NOT NULL, class INTEGER NOT NULL,
    priority INTEGER NOT NULL, due INTEGER, finished INTEGER, expiry INTEGER, protected INTEGER NOT NULL,
    result INTEGER NOT NULL, input INTEGER NOT NULL, head BLOB NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE INDEX list ON job (pool, class, priority, seq);
CREATE INDEX due ON job (due) WHERE due IS NOT NULL;
CREATE INDEX expiry ON job (expiry) WHERE expiry IS NOT NULL;
CREATE INDEX spare ON job (finished) WHERE finished IS NOT NULL AND protected = 0;
CREATE INDEX spare_result ON job (protected, finished) WHERE finished IS NOT NULL AND result = 1;
CREATE INDEX spare_input ON job (finished) WHERE finished IS NOT NULL AND input = 1;
CREATE TABLE key (key BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE input (seq INTEGER PRIMARY KEY, length INTEGER NOT NULL, body BLOB, crc INTEGER NOT NULL) STRICT;
CREATE TABLE result (seq INTEGER PRIMARY KEY, length INTEGER NOT NULL, body BLOB, crc INTEGER NOT NULL) STRICT;
CREATE TABLE note (name TEXT PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1), newest INTEGER NOT NULL, now INTEGER NOT NULL, wall INTEGER NOT NULL,
    since_boot INTEGER NOT NULL, boot TEXT NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE TABLE damage (what TEXT NOT NULL, row BLOB) STRICT;
";

/// Number of pages that SQLite keeps in memory, and their size in bytes.
pub(crate) const CACHED_PAGES: usize = 4096;
pub(crate) const PAGE_BYTES: usize = 4096;

/// Opens a connection that writes. With [`Durability::Fsync`], each of its commits waits for the disk.
pub(crate) fn connect(path: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // Else, a statement whose `LIMIT` is a parameter is prepared again each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // Has an effect before the first table alone.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    sync_by_itself(&connection, durability == Durability::Fsync)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |row| row.get::<_, i64>(0))?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", CACHED_PAGES.to_string())?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Whether each commit of a connection waits for the disk. Its checkpoints do so in both cases, and so does the header of a
/// log that begins again.
pub(crate) fn sync_by_itself(connection: &Connection, does: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", if does { "FULL" } else { "NORMAL" })
}

/// Lets a connection end without a checkpoint.
pub(crate) fn keep_log(connection: &Connection) {
    // It fails for a database that is closed alone.
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

/// Opens a connection that only reads.
pub(crate) fn connect_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// Returns the version of the tables.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// The dead letters that no key protects, by the numbers of their classes, which stay. A query has the index `dead` only if
/// it has this condition to the letter.
macro_rules! dead {
    () => {
        "finished IS NOT NULL AND protected = 0 AND class IN (17, 18, 20, 21, 22, 24, 25, 26)"
    };
}
pub(crate) use dead;

/// The classes that [`dead!`] names.
pub(crate) const DEAD_CLASSES: [u8; 8] = [17, 18, 20, 21, 22, 24, 25, 26];

/// An index that is younger than the tables. A program that does not know it keeps it all the same.
const DEAD: &str = concat!("CREATE INDEX IF NOT EXISTS dead ON job (finished) WHERE ", dead!());

/// Brings the tables to today's version, in one transaction. The version is not above today's.
pub(crate) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    if version(&transaction)? == 0 {
        transaction.execute_batch(TABLES)?;
    }
    transaction.execute_batch(DEAD)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use crate::encode::states;
    use procpool_protocol::OutcomeKind;
    use procpool_registry::{State, is_dead};

    #[test]
    fn the_index_of_dead_letters_has_their_classes() {
        let dead = OutcomeKind::ALL.into_iter().filter(|&outcome| is_dead(outcome));
        let mut classes: Vec<_> = dead.filter_map(|it| states::of_state(State::Finished(it))).collect();
        classes.sort_unstable();
        assert_eq!(classes, super::DEAD_CLASSES);
        let list = classes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        assert!(dead!().ends_with(&format!("class IN ({list})")), "{list}");
    }
}
