//! Repairs at a start: damaged records and notes are set aside, and parts that repeat others are made again.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use crate::encode::record::encode_key;
use crate::index::Entries;
use crate::open::integrity;
use crate::row::{COLUMNS, checksum_of, record_of};
use crate::trouble::Trouble;

/// Sets aside the damaged records, and makes indexes again that do not match the rows. Returns a sentence for each.
pub(crate) fn all(
    connection: &Connection,
    pools: &HashMap<i64, Arc<str>>,
    entries: &Entries,
    damaged: &[(i64, String)],
) -> Result<Vec<String>, Trouble> {
    let mut repaired = Vec::new();
    // Before a record goes: its entries are found by its columns, which may be what has changed.
    for index in entries.differing(connection)? {
        connection.execute_batch(&format!("REINDEX {index}"))?;
        repaired.push(format!("the index {index} did not match the records, and was made again"));
    }
    for (seq, what) in damaged {
        set_aside(connection, *seq, what)?;
    }
    if entries.has_other_keys(connection)? {
        make_keys(connection, pools)?;
        repaired.push("the keys did not match the records, and were made again".into());
    }
    notes(connection)?;
    if !repaired.is_empty() || !damaged.is_empty() {
        // Rows that cannot be reached look like entries too many.
        integrity(connection)?;
    }
    Ok(repaired)
}

/// Moves a damaged record out of the jobs' way, with its key and its bodies.
fn set_aside(connection: &Connection, seq: i64, what: &str) -> Result<(), Trouble> {
    connection
        .execute("INSERT INTO damage (what, row) SELECT ?, head FROM job WHERE seq = ?", (what, seq))?;
    for table in ["job", "key", "input", "result"] {
        connection.execute(&format!("DELETE FROM {table} WHERE seq = ?"), [seq])?;
    }
    Ok(())
}

/// Gives every record its key again.
fn make_keys(connection: &Connection, pools: &HashMap<i64, Arc<str>>) -> Result<(), Trouble> {
    connection.execute("DELETE FROM key", [])?;
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM job ORDER BY seq"))?;
    let mut insert = connection.prepare("INSERT OR REPLACE INTO key (key, seq) VALUES (?, ?)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(claim) = record_of(row, pools)?.claim {
            insert.execute((encode_key(&claim.key), row.get::<_, i64>(0)?))?;
        }
    }
    Ok(())
}

/// Sets aside the notes that are damaged. One whose name has changed would look as if it had never been.
fn notes(connection: &Connection) -> Result<(), Trouble> {
    let mut statement = connection.prepare("SELECT name, body, crc FROM note")?;
    let notes = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let notes: Vec<(String, Vec<u8>, u32)> = notes.collect::<Result<_, _>>()?;
    let is_whole = |(name, body, crc): &(String, Vec<u8>, u32)| checksum_of(name.as_bytes(), body) == *crc;
    let (whole, damaged): (Vec<_>, Vec<_>) = notes.into_iter().partition(is_whole);
    if damaged.is_empty() {
        return Ok(());
    }
    // All of them: a name that has changed is out of order.
    connection.execute("DELETE FROM note", [])?;
    for note in whole {
        connection.execute("INSERT INTO note (name, body, crc) VALUES (?, ?, ?)", note)?;
    }
    for (name, body, _) in damaged {
        let what = format!("the note {name:?} was damaged, and is lost");
        connection.execute("INSERT INTO damage (what, row) VALUES (?, ?)", (what, body))?;
    }
    Ok(())
}

/// Fails unless the names of the pools are those of their index. Nobody could tell which is right.
pub(crate) fn compare_names(connection: &Connection) -> Result<(), Trouble> {
    let names = |from: &str| -> Result<Vec<(i64, String)>, Trouble> {
        let mut statement =
            connection.prepare(&format!("SELECT id, name FROM pool {from} ORDER BY id, name"))?;
        Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    };
    if names("NOT INDEXED")? == names("INDEXED BY sqlite_autoindex_pool_1")? {
        return Ok(());
    }
    Err(Trouble::Broken("the names of its pools do not match their index".into()))
}
