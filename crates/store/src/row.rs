//! A record as a row of the table `job`, with a checksum over all of it.

use std::collections::HashMap;
use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_registry::{Record, Time};
use rusqlite::Row;

use crate::encode::{self, Unreadable, states};
use crate::trouble::Trouble;

macro_rules! columns {
    () => {
        "seq, id, pool, class, priority, due, finished, expiry, protected, result, input, head, crc"
    };
}
pub(crate) use columns;

/// The columns of a row, in the order in which [`Columns::read`] takes them.
pub(crate) const COLUMNS: &str = columns!();

/// The columns of a record besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) class: u8,
    pub(crate) priority: u8,
    /// Of jobs that wait for their time.
    pub(crate) due: Option<i64>,
    pub(crate) finished: Option<i64>,
    pub(crate) expiry: Option<i64>,
    pub(crate) is_protected: bool,
    pub(crate) has_result: bool,
    pub(crate) has_input: bool,
}

impl Places {
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            class: states::class_of(record),
            priority: states::of_priority(record.priority),
            due: record.due.filter(|_| states::is_waiting(record.state)).map(sortable),
            finished: record.finished.map(sortable),
            expiry: record.next_expiry().map(sortable),
            is_protected: record.is_protected(),
            has_result: record.result.is_held(),
            has_input: record.input.is_held(),
        }
    }
}

/// Returns a time as a number of SQLite.
pub(crate) fn sortable(time: Time) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Returns a `seq` as a number of SQLite. One above its numbers sorts as the last one.
pub(crate) fn rowid(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// A row as it is on disk.
pub(crate) struct Columns<'a> {
    pub(crate) seq: i64,
    pub(crate) id: [u8; 16],
    pub(crate) pool: i64,
    pub(crate) places: Places,
    pub(crate) head: &'a [u8],
    crc: u32,
}

impl<'a> Columns<'a> {
    pub(crate) fn read(row: &'a Row<'_>) -> rusqlite::Result<Self> {
        let places = Places {
            class: row.get(3)?,
            priority: row.get(4)?,
            due: row.get(5)?,
            finished: row.get(6)?,
            expiry: row.get(7)?,
            is_protected: row.get(8)?,
            has_result: row.get(9)?,
            has_input: row.get(10)?,
        };
        let head = row.get_ref(11)?.as_blob()?;
        Ok(Self { seq: row.get(0)?, id: row.get(1)?, pool: row.get(2)?, places, head, crc: row.get(12)? })
    }

    /// Checks the row, and returns its record.
    pub(crate) fn record(&self, pools: &HashMap<i64, Arc<str>>) -> Result<Record, Unreadable> {
        if checksum(self.seq, &self.id, self.pool, &self.places, self.head) != self.crc {
            return Err(Unreadable("its checksum is wrong"));
        }
        let pool = pools.get(&self.pool).ok_or(Unreadable("its pool has no name"))?;
        let seq = u64::try_from(self.seq).map_err(|_| Unreadable("its number is negative"))?;
        encode::record::decode(self.head, seq, JobId::from_bytes(self.id), pool.clone())
    }
}

/// Reads and checks the record of a row.
pub(crate) fn record_of(row: &Row<'_>, pools: &HashMap<i64, Arc<str>>) -> Result<Record, Trouble> {
    let columns = Columns::read(row)?;
    columns.record(pools).map_err(|error| {
        Trouble::Broken(format!(
            "the record {} of job {} is damaged: {error}",
            columns.seq,
            JobId::from_bytes(columns.id)
        ))
    })
}

/// Returns the checksum of a row.
pub(crate) fn checksum(seq: i64, id: &[u8; 16], pool: i64, places: &Places, head: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&seq.to_le_bytes());
    hasher.update(id);
    hasher.update(&pool.to_le_bytes());
    for time in [places.due, places.finished, places.expiry] {
        hasher.update(&[u8::from(time.is_some())]);
        hasher.update(&time.unwrap_or_default().to_le_bytes());
    }
    let flags = [places.is_protected, places.has_result, places.has_input].map(u8::from);
    hasher.update(&[places.class, places.priority, flags[0], flags[1], flags[2]]);
    hasher.update(head);
    hasher.finalize()
}

/// Returns the checksum of bytes that belong to something.
pub(crate) fn checksum_of(owner: &[u8], bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(owner);
    hasher.update(bytes);
    hasher.finalize()
}
