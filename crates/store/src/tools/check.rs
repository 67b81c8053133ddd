//! [`check`]: reads everything that a store has.

use std::fs;
use std::path::Path;

use procpool_protocol::JobId;

use super::{Readable, existing};
use crate::error::OpenError;
use crate::open::{damage, integrity};
use crate::place::{Kind, Lock, Spool};
use crate::row::{checksum_of, rowid};
use crate::trouble::Trouble;
use crate::wal;

/// The findings of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Number of records that are whole.
    pub records: u64,
    /// Number of inputs and results that are whole.
    pub bodies: u64,
    /// Everything that is not whole, one sentence each.
    pub problems: Vec<String>,
}

/// Reads and checks every record, input and result, the structure of the database, and the files beside it. Changes
/// nothing. Takes as long as reading the whole directory.
///
/// # Errors
/// When there is no store, or a process has it. Damage is no error: it is in the answer.
pub fn check(directory: impl AsRef<Path>) -> Result<Checked, OpenError> {
    let directory = directory.as_ref();
    existing(directory)?;
    let _lock = Lock::take(directory)?;
    let mut checked = Checked::default();
    let log = wal::lost(directory).map_err(|error| OpenError::io(directory, error))?;
    checked.problems.extend(log.map(|_| "the write-ahead log is damaged, and commits are lost".to_owned()));
    let store = match Readable::open(directory) {
        Err(OpenError::Damaged { reason, .. }) => {
            checked.problems.push(reason);
            return Ok(checked);
        }
        store => store?,
    };
    let spool = Spool::of(directory);
    let steps = [
        damage(&store.connection).map(|known| checked.problems.extend(known)),
        integrity(&store.connection),
        records(&store, &mut checked),
        bodies(&store, &spool, &mut checked),
    ];
    for step in steps {
        if let Err(trouble) = step {
            checked.problems.push(trouble.to_string());
        }
    }
    Ok(checked)
}

fn records(store: &Readable, checked: &mut Checked) -> Result<(), Trouble> {
    let (mut keys, mut records) = (0_u64, 0);
    let each = store.each(|record| match record {
        Ok(record) => {
            records += 1;
            keys += u64::from(record.claim.is_some());
        }
        Err(problem) => checked.problems.push(problem),
    });
    checked.records = records;
    each.map_err(|error| Trouble::Broken(error.to_string()))?;
    let found: i64 = store.connection.query_row("SELECT count(*) FROM key", [], |row| row.get(0))?;
    if found.cast_unsigned() != keys {
        checked.problems.push(format!("{keys} records have keys, and {found} keys lead to records"));
    }
    Ok(())
}

/// A file without a record is no damage: the next start removes it.
fn bodies(store: &Readable, spool: &Spool, checked: &mut Checked) -> Result<(), Trouble> {
    for (kind, table) in [(Kind::Input, "input"), (Kind::Result, "result")] {
        let sql = format!(
            "SELECT {table}.seq, job.id, length, {table}.body, {table}.crc FROM {table} LEFT JOIN job USING (seq)"
        );
        let mut statement = store.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            let Some(id) = row.get::<_, Option<[u8; 16]>>(1)? else {
                checked.problems.push(format!("the {table} {seq} has no record"));
                continue;
            };
            let body = match row.get(3)? {
                Some(body) => Ok(body),
                None => fs::read(spool.path(JobId::from_bytes(id), kind)),
            };
            let is_whole = |body: &Vec<u8>| -> rusqlite::Result<bool> {
                let sum = checksum_of(&seq.to_le_bytes(), body);
                Ok(rowid(body.len() as u64) == row.get::<_, i64>(2)? && sum == row.get::<_, u32>(4)?)
            };
            let job = JobId::from_bytes(id);
            match body {
                Err(error) => checked.problems.push(format!("the {table} of job {job}: {error}")),
                Ok(body) if is_whole(&body)? => checked.bodies += 1,
                Ok(_) => checked.problems.push(format!("the {table} of job {job}: its checksum is wrong")),
            }
        }
    }
    Ok(())
}
