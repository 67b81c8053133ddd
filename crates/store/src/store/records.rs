//! Records: found by id or number, written with their places in the indexes.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_registry::Record;
use rusqlite::{OptionalExtension, Params, params};

use super::{CACHED, Store};
use crate::encode;
use crate::row::{COLUMNS, Places, checksum, record_of, rowid};
use crate::trouble::Trouble;

impl Store {
    /// Returns the record of this id.
    pub(super) fn find(&self, job: JobId) -> Result<Option<Arc<Record>>, Trouble> {
        if let Some(record) = self.cache.borrow().get(&job) {
            return Ok(Some(record.clone()));
        }
        self.one(&format!("SELECT {COLUMNS} FROM job WHERE id = ?"), [job.to_bytes()])
    }

    /// Returns the record of the row that this query finds.
    pub(super) fn one(&self, query: &str, params: impl Params) -> Result<Option<Arc<Record>>, Trouble> {
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query(params)?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let record = Arc::new(record_of(row, &self.pools.names)?);
        self.hold(record.clone());
        Ok(Some(record))
    }

    /// Returns the record of this number, which an index has named. A start has compared the indexes: if there is none,
    /// the way to it is damaged.
    pub(super) fn numbered(&self, seq: i64) -> Result<Arc<Record>, Trouble> {
        let found = self.one(&format!("SELECT {COLUMNS} FROM job WHERE seq = ?"), [seq])?;
        found.ok_or_else(|| Trouble::Broken(format!("the record {seq} cannot be found")))
    }

    pub(super) fn hold(&self, record: Arc<Record>) {
        let mut cache = self.cache.borrow_mut();
        if cache.len() >= CACHED && !cache.contains_key(&record.id) {
            cache.clear();
        }
        cache.insert(record.id, record);
    }

    pub(super) fn write(&mut self, record: &Arc<Record>) -> Result<(), Trouble> {
        // A record above all others is new, and there is nothing to find.
        let old = if record.seq > self.sums.newest { None } else { self.find(record.id)? };
        let unknown = || Trouble::Broken(format!("the state {:?} cannot be written", record.state));
        let head = encode::record::encode(record).ok_or_else(unknown)?;
        let (seq, id) = (rowid(record.seq), record.id.to_bytes());
        let places = Places::of(record);
        let pool = self.pools.number_or_new(&record.pool, &self.connection)?;
        let crc = checksum(seq, &id, pool, &places, &head);
        match &old {
            // Most changes of a job leave most indexes alone.
            Some(old) if Places::of(old) == places => {
                let sql = "UPDATE job SET head = ?, crc = ? WHERE seq = ?";
                one_row(seq, self.connection.prepare_cached(sql)?.execute(params![head, crc, seq])?)?;
            }
            Some(old) if (Places { class: places.class, ..Places::of(old) }) == places => {
                let sql = "UPDATE job SET class = ?, head = ?, crc = ? WHERE seq = ?";
                let params = params![places.class, head, crc, seq];
                one_row(seq, self.connection.prepare_cached(sql)?.execute(params)?)?;
            }
            _ => {
                let verb = if old.is_some() { "INSERT OR REPLACE" } else { "INSERT" };
                let sql =
                    format!("{verb} INTO job ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
                let Places { class, priority, due, finished, expiry, is_protected, has_result, has_input } =
                    places;
                self.connection.prepare_cached(&sql)?.execute(params![
                    seq,
                    id,
                    pool,
                    class,
                    priority,
                    due,
                    finished,
                    expiry,
                    is_protected,
                    has_result,
                    has_input,
                    head,
                    crc
                ])?;
            }
        }
        self.move_key(old.as_deref(), Some(record))?;
        if let Some(old) = &old {
            self.sums.usage.subtract(old);
        }
        self.sums.usage.add(record);
        self.sums.newest = self.sums.newest.max(record.seq);
        self.group.grows |= old.is_none();
        self.hold(record.clone());
        if let Some(input) = self.early.remove(&record.id) {
            self.write_input(record, &input)?;
        }
        Ok(())
    }

    pub(super) fn erase(&mut self, record: &Record) -> Result<(), Trouble> {
        let Some(old) = self.find(record.id)? else { return Ok(()) };
        let seq = rowid(old.seq);
        one_row(seq, self.connection.prepare_cached("DELETE FROM job WHERE seq = ?")?.execute([seq])?)?;
        self.move_key(Some(&old), None)?;
        self.sums.usage.subtract(&old);
        self.cache.get_mut().remove(&old.id);
        Ok(())
    }

    /// Gives the key of the old version to the new one.
    fn move_key(&self, old: Option<&Record>, new: Option<&Record>) -> Result<(), Trouble> {
        let key = |record: Option<&Record>| {
            let claim = record?.claim.as_ref()?;
            Some(encode::record::encode_key(&claim.key))
        };
        let (old_key, new_key) = (key(old), key(new));
        if old_key == new_key {
            return Ok(());
        }
        if let Some((key, old)) = old_key.zip(old) {
            let sql = "DELETE FROM key WHERE key = ? AND seq = ?";
            self.connection.prepare_cached(sql)?.execute((key, rowid(old.seq)))?;
        }
        if let Some((key, new)) = new_key.zip(new) {
            let sql = "INSERT OR REPLACE INTO key (key, seq) VALUES (?, ?)";
            self.connection.prepare_cached(sql)?.execute((key, rowid(new.seq)))?;
        }
        Ok(())
    }

    /// Returns the number of the record that holds a key.
    pub(super) fn seq_of_key(&self, key: &[u8]) -> Result<Option<i64>, Trouble> {
        let mut statement = self.connection.prepare_cached("SELECT seq FROM key WHERE key = ?")?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }
}

/// Fails unless a change has met the row of this number.
fn one_row(seq: i64, changed: usize) -> Result<(), Trouble> {
    if changed == 1 { Ok(()) } else { Err(Trouble::Broken(format!("the record {seq} cannot be found"))) }
}
