//! The indexes against the rows. A changed byte in a page of an index hides a record from a look-up, and SQLite does not
//! notice: it has checksums in its log alone.
//!
//! For each index there is a sum over hashes of its entries, in no order: once of the entries that the rows need, and
//! once of those that it has. A start reads every row anyway.

use procpool_registry::Record;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::encode::record::encode_key;
use crate::row::{Places, rowid};
use crate::schema::{DEAD_CLASSES, dead};
use crate::trouble::Trouble;

/// An index of the table `job`.
struct Index {
    name: &'static str,
    columns: &'static str,
    /// The rows that it has.
    rows: &'static str,
    /// The values of a row, if it has that row.
    values: fn(&[u8; 16], i64, &Places) -> Option<u64>,
}

const INDEXES: [Index; 8] = [
    Index {
        name: "sqlite_autoindex_job_1",
        columns: "id",
        rows: "TRUE",
        values: |id, _, _| Some(bytes(0, id)),
    },
    Index {
        name: "list",
        columns: "pool, class, priority",
        rows: "TRUE",
        values: |_, pool, it| Some(numbers([pool, it.class.into(), it.priority.into()])),
    },
    Index {
        name: "due",
        columns: "due",
        rows: "due IS NOT NULL",
        values: |_, _, it| Some(numbers([it.due?])),
    },
    Index {
        name: "expiry",
        columns: "expiry",
        rows: "expiry IS NOT NULL",
        values: |_, _, it| Some(numbers([it.expiry?])),
    },
    Index {
        name: "spare",
        columns: "finished",
        rows: "finished IS NOT NULL AND protected = 0",
        values: |_, _, it| Some(numbers([it.finished.filter(|_| !it.is_protected)?])),
    },
    Index {
        name: "spare_result",
        columns: "protected, finished",
        rows: "finished IS NOT NULL AND result = 1",
        values: |_, _, it| Some(numbers([it.is_protected.into(), it.finished.filter(|_| it.has_result)?])),
    },
    Index {
        name: "spare_input",
        columns: "finished",
        rows: "finished IS NOT NULL AND input = 1",
        values: |_, _, it| Some(numbers([it.finished.filter(|_| it.has_input)?])),
    },
    Index {
        name: "dead",
        columns: "finished",
        rows: dead!(),
        values: |_, _, it| {
            let is_dead = !it.is_protected && DEAD_CLASSES.contains(&it.class);
            Some(numbers([it.finished.filter(|_| is_dead)?]))
        },
    },
];

/// Sums over the entries that the rows need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    indexes: [Sum; INDEXES.len()],
    keys: Sum,
}

/// A sum over entries, in no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    entries: u64,
    hash: u64,
}

impl Sum {
    fn add(&mut self, values: u64, seq: i64) {
        self.entries += 1;
        self.hash = self.hash.wrapping_add(mixed(values, seq.cast_unsigned()));
    }
}

impl Entries {
    /// Adds the entries of a row.
    pub(crate) fn add(&mut self, seq: i64, id: &[u8; 16], pool: i64, places: &Places) {
        for (index, sum) in INDEXES.iter().zip(&mut self.indexes) {
            if let Some(values) = (index.values)(id, pool, places) {
                sum.add(values, seq);
            }
        }
    }

    /// Adds the key of a record, if it has one.
    pub(crate) fn add_key(&mut self, record: &Record) {
        if let Some(claim) = &record.claim {
            self.keys.add(bytes(0, &encode_key(&claim.key)), rowid(record.seq));
        }
    }

    /// Returns the names of the indexes that have other entries.
    pub(crate) fn differing(&self, connection: &Connection) -> Result<Vec<&'static str>, Trouble> {
        let mut differing = Vec::new();
        for (Index { name, columns, rows, .. }, sum) in INDEXES.iter().zip(&self.indexes) {
            // Of the index alone: it has the number of each row behind its columns.
            let sql = format!("SELECT seq, {columns} FROM job INDEXED BY {name} WHERE {rows}");
            if sum_of(connection, &sql)? != Some(*sum) {
                differing.push(*name);
            }
        }
        Ok(differing)
    }

    /// Returns whether the table of keys has others than the records.
    pub(crate) fn has_other_keys(&self, connection: &Connection) -> Result<bool, Trouble> {
        Ok(sum_of(connection, "SELECT seq, key FROM key")? != Some(self.keys))
    }
}

/// Returns the sum of an index. `None` if it has what no row has.
fn sum_of(connection: &Connection, sql: &str) -> Result<Option<Sum>, Trouble> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut sum = Sum::default();
    while let Some(row) = rows.next()? {
        let mut values = 0;
        for column in 1..columns {
            values = match row.get_ref(column)? {
                ValueRef::Integer(number) => mixed(values, number.cast_unsigned()),
                ValueRef::Blob(blob) => bytes(values, blob),
                _ => return Ok(None),
            };
        }
        match row.get_ref(0)? {
            ValueRef::Integer(seq) => sum.add(values, seq),
            _ => return Ok(None),
        }
    }
    Ok(Some(sum))
}

fn numbers<const N: usize>(numbers: [i64; N]) -> u64 {
    numbers.into_iter().fold(0, |hash, number| mixed(hash, number.cast_unsigned()))
}

fn bytes(hash: u64, bytes: &[u8]) -> u64 {
    let hash = mixed(hash, bytes.len() as u64);
    bytes.chunks(8).fold(hash, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mixed(hash, u64::from_le_bytes(word))
    })
}

/// `SplitMix64` over a chain: each bit of both changes half of the bits.
fn mixed(hash: u64, word: u64) -> u64 {
    let mut mixed = hash.rotate_left(23).wrapping_add(word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
