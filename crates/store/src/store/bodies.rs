//! Inputs and results: short ones in the database, long ones as files.

use std::fs;
use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;
use procpool_registry::Record;
use rusqlite::OptionalExtension;

use super::Store;
use super::pending::Body;
use crate::encode::{self, Unreadable};
use crate::place::{Kind, SPOOLED_ABOVE};
use crate::row::{checksum_of, rowid};
use crate::schema::PAGE_BYTES;
use crate::trouble::Trouble;

impl Store {
    pub(super) fn write_input(&mut self, record: &Record, input: &Arc<Submission>) -> Result<(), Trouble> {
        self.group.grows = true;
        let bytes = encode::submission::encode(input);
        self.cache.get_mut().hold_input(record.id, input.clone(), bytes.len());
        self.write_body(record, Kind::Input, bytes)
    }

    pub(super) fn write_result(&mut self, job: JobId, result: &Finished) -> Result<(), Trouble> {
        match self.find(job)? {
            Some(record) => self.write_body(&record, Kind::Result, encode::finished::encode(result)),
            None => Err(Trouble::Broken(format!("a result came without a record of job {job}"))),
        }
    }

    pub(super) fn read_input(&self, job: JobId) -> Result<Option<Arc<Submission>>, Trouble> {
        if let Some(input) = self.early.get(&job).or(self.cache.borrow().input(job)) {
            return Ok(Some(input.clone()));
        }
        self.read_body(job, Kind::Input, encode::submission::decode)
    }

    pub(super) fn read_result(&self, job: JobId) -> Result<Option<Arc<Finished>>, Trouble> {
        self.read_body(job, Kind::Result, |bytes| encode::finished::decode(bytes, job))
    }

    fn write_body(&mut self, record: &Record, kind: Kind, bytes: Vec<u8>) -> Result<(), Trouble> {
        let seq = rowid(record.seq);
        let crc = checksum_of(&seq.to_le_bytes(), &bytes);
        let length = rowid(bytes.len() as u64);
        let is_long = bytes.len() > SPOOLED_ABOVE;
        self.takes_pages(2 + if is_long { 0 } else { bytes.len() / PAGE_BYTES })?;
        if is_long {
            let path = self.spool.path(record.id, kind);
            self.group.made.push(path.clone());
            self.spool.write(&path, &bytes)?;
        }
        let bytes = Some(bytes).filter(|_| !is_long);
        self.pending.get_mut().put_body(Body { kind, seq, length, bytes, crc });
        Ok(())
    }

    /// Reads an input or a result. A damaged one is told, and counts as gone: a store that ended for it would end again
    /// after each start.
    fn read_body<T>(
        &self,
        job: JobId,
        kind: Kind,
        decode: impl FnOnce(&[u8]) -> Result<T, Unreadable>,
    ) -> Result<Option<Arc<T>>, Trouble> {
        let Some(record) = self.find(job)? else { return Ok(None) };
        self.flush()?;
        let seq = rowid(record.seq);
        let sql = match kind {
            Kind::Input => "SELECT length, body, crc FROM input WHERE seq = ?",
            Kind::Result => "SELECT length, body, crc FROM result WHERE seq = ?",
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let row = statement.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let state = if kind == Kind::Input { record.input } else { record.result };
        let read = match row.optional()? {
            Some((length, body, crc)) => self.whole(&record, kind, length, body, crc),
            None if state.is_held() => Err("it cannot be found".into()),
            None => return Ok(None),
        };
        let decoded = read.and_then(|bytes| decode(&bytes).map_err(|error| error.to_string()));
        Ok(decoded.map(|body| Some(Arc::new(body))).unwrap_or_else(|why| {
            self.damage.borrow_mut().tell(format!("the {} of job {job} is damaged: {why}", named(kind)));
            None
        }))
    }

    /// Returns the bytes of a body, from their file if they are long, or why they are not those that were written.
    fn whole(
        &self,
        record: &Record,
        kind: Kind,
        length: i64,
        body: Option<Vec<u8>>,
        crc: u32,
    ) -> Result<Vec<u8>, String> {
        let from_file = || fs::read(self.spool.path(record.id, kind)).map_err(|error| error.to_string());
        let bytes = body.map_or_else(from_file, Ok)?;
        let is_whole = rowid(bytes.len() as u64) == length
            && checksum_of(&rowid(record.seq).to_le_bytes(), &bytes) == crc;
        if is_whole { Ok(bytes) } else { Err("its checksum is wrong".into()) }
    }

    /// Removes an input or a result. Its file goes when that is durable.
    pub(super) fn erase_body(&mut self, job: JobId, kind: Kind) -> Result<(), Trouble> {
        if kind == Kind::Input && self.early.remove(&job).is_some() {
            return Ok(());
        }
        if kind == Kind::Input {
            self.cache.get_mut().drop_input(job);
        }
        let Some(record) = self.find(job)? else { return Ok(()) };
        self.flush()?;
        self.takes_pages(2 + SPOOLED_ABOVE / PAGE_BYTES)?;
        let sql = match kind {
            Kind::Input => "DELETE FROM input WHERE seq = ? RETURNING body IS NULL",
            Kind::Result => "DELETE FROM result WHERE seq = ? RETURNING body IS NULL",
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let is_long = statement.query_row([rowid(record.seq)], |row| row.get(0)).optional()?;
        if is_long == Some(true) {
            self.group.dropped.push(self.spool.path(job, kind));
        }
        Ok(())
    }
}

pub(crate) fn named(kind: Kind) -> &'static str {
    match kind {
        Kind::Input => "input",
        Kind::Result => "result",
    }
}
