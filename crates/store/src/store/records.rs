//! Records: found by id or number, written with their places in the indexes.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_registry::Record;
use rusqlite::{OptionalExtension, Params, params};

use super::Store;
use super::pending::Change;
use crate::encode;
use crate::row::{Places, checksum, columns, record_of, rowid};
use crate::trouble::Trouble;

const BY_ID: &str = concat!("SELECT ", columns!(), " FROM job WHERE id = ?");

const BY_NUMBER: &str = concat!("SELECT ", columns!(), " FROM job WHERE seq = ?");

const INSERT: &str =
    concat!("INSERT INTO job (", columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

const UPDATE: &str = "UPDATE job SET pool = ?, class = ?, priority = ?, due = ?, finished = ?, expiry = ?, protected = ?, \
                      result = ?, input = ?, head = ?, crc = ? WHERE seq = ?";

const UPDATE_CLASS: &str = "UPDATE job SET class = ?, head = ?, crc = ? WHERE seq = ?";

const UPDATE_HEAD: &str = "UPDATE job SET head = ?, crc = ? WHERE seq = ?";

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
        self.pending.get_mut().put(Change { old, new: record.clone(), pool });
        if let Some(input) = self.early.remove(&record.id) {
            self.write_input(record, &input)?;
        }
        Ok(())
    }

    /// Writes the rows of all records that have changed.
    pub(super) fn flush(&self) -> Result<(), Trouble> {
        let changes = self.pending.borrow_mut().take();
        changes.iter().try_for_each(|change| self.write_row(change))
    }

    fn write_row(&self, Change { old, new, pool }: &Change) -> Result<(), Trouble> {
        let unknown = || Trouble::Broken(format!("the state {:?} cannot be written", new.state));
        let head = encode::record::encode(new).ok_or_else(unknown)?;
        let (seq, id) = (rowid(new.seq), new.id.to_bytes());
        let places = Places::of(new);
        let crc = checksum(seq, &id, *pool, &places, &head);
        let Places { class, priority, due, finished, expiry, is_protected, has_result, has_input } = places;
        let prepared = |sql| self.connection.prepare_cached(sql);
        let written = match old.as_deref().map(Places::of) {
            // Most changes of a job leave most indexes alone.
            Some(old) if old == places => prepared(UPDATE_HEAD)?.execute(params![head, crc, seq])?,
            Some(old) if (Places { class, ..old }) == places => {
                prepared(UPDATE_CLASS)?.execute(params![class, head, crc, seq])?
            }
            // Neither the number nor the id of a record changes.
            Some(_) => prepared(UPDATE)?.execute(params![
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
                crc,
                seq
            ])?,
            None => prepared(INSERT)?.execute(params![
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
            ])?,
        };
        one_row(seq, written)?;
        self.move_key(old.as_deref(), Some(new))
    }

    pub(super) fn erase(&mut self, record: &Record) -> Result<(), Trouble> {
        self.flush()?;
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

/// Fails unless a change has met the row of this number.
fn one_row(seq: i64, changed: usize) -> Result<(), Trouble> {
    if changed == 1 { Ok(()) } else { Err(Trouble::Broken(format!("the record {seq} cannot be found"))) }
}
