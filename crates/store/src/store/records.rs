//! Records: found by id or number, written with their places in the indexes.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_registry::Record;
use rusqlite::{OptionalExtension, Params};

use super::Store;
use super::pending::Change;
use super::rows::{Rows, one_row};
use crate::encode;
use crate::row::{columns, record_of, rowid};
use crate::trouble::Trouble;

const BY_ID: &str = concat!("SELECT ", columns!(), " FROM job WHERE id = ?");

const BY_NUMBER: &str = concat!("SELECT ", columns!(), " FROM job WHERE seq = ?");

/// Maximum number of pages that a change of a record touches: its row, its key, and its entries in the indexes, old and new.
const PAGES: usize = 16;

impl Store {
    /// Returns the record of this id.
    pub(super) fn find(&self, job: JobId) -> Result<Option<Arc<Record>>, Trouble> {
        if let Some(record) = self.pending.borrow().get(job) {
            return Ok(Some(record.clone()));
        }
        {
            let cache = self.cache.borrow();
            if let Some(record) = cache.record(job) {
                return Ok(Some(record.clone()));
            }
            if cache.is_absent(job) {
                return Ok(None);
            }
        }
        let found = self.one(BY_ID, [job.to_bytes()])?;
        if found.is_none() {
            self.cache.borrow_mut().set_absent(job);
        }
        Ok(found)
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
        if let Some(record) = self.cache.borrow().numbered(seq.cast_unsigned()) {
            return Ok(record.clone());
        }
        let found = self.one(BY_NUMBER, [seq])?;
        found.ok_or_else(|| Trouble::Broken(format!("the record {seq} cannot be found")))
    }

    fn hold(&self, record: Arc<Record>) {
        self.cache.borrow_mut().hold(record);
    }

    pub(super) fn write(&mut self, record: &Arc<Record>) -> Result<(), Trouble> {
        // A record above all others is new, and there is nothing to find.
        let old = if record.seq > self.sums.newest { None } else { self.find(record.id)? };
        let pool = self.pools.number_or_new(&record.pool, &self.connection)?;
        if let Some(old) = &old {
            self.sums.usage.subtract(old);
        }
        self.sums.usage.add(record);
        self.sums.newest = self.sums.newest.max(record.seq);
        self.group.grows |= old.is_none();
        self.hold(record.clone());
        if self.pending.get_mut().put(Change { old, new: record.clone(), pool }) {
            self.takes_pages(PAGES)?;
        }
        if let Some(input) = self.early.remove(&record.id) {
            self.write_input(record, &input)?;
        }
        Ok(())
    }

    /// Writes the rows of all that has changed.
    pub(super) fn flush(&self) -> Result<(), Trouble> {
        let (changes, bodies) = self.pending.borrow_mut().take();
        let mut rows = Rows::of(&self.connection);
        for change in &changes {
            rows.record(change)?;
            self.move_key(change.old.as_deref(), Some(&change.new))?;
        }
        bodies.iter().try_for_each(|body| rows.body(body))
    }

    pub(super) fn erase(&mut self, record: &Record) -> Result<(), Trouble> {
        self.flush()?;
        self.takes_pages(PAGES)?;
        let Some(old) = self.find(record.id)? else { return Ok(()) };
        let seq = rowid(old.seq);
        one_row(seq, self.connection.prepare_cached("DELETE FROM job WHERE seq = ?")?.execute([seq])?)?;
        self.move_key(Some(&old), None)?;
        self.sums.usage.subtract(&old);
        self.cache.get_mut().drop_record(&old);
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
