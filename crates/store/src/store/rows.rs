//! [`Rows`]: writes rows, with statements that are looked up once a group.

use rusqlite::{CachedStatement, Connection, params};

use super::pending::{Body, Change};
use crate::encode;
use crate::place::Kind;
use crate::row::{Places, checksum, columns, rowid};
use crate::trouble::Trouble;

const INSERT: &str =
    concat!("INSERT INTO job (", columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

/// With the parameters of [`INSERT`]. Neither the number nor the id of a record changes.
const UPDATE: &str = "UPDATE job SET pool = ?3, class = ?4, priority = ?5, due = ?6, finished = ?7, expiry = ?8, \
                      protected = ?9, result = ?10, input = ?11, head = ?12, crc = ?13 WHERE seq = ?1";

const UPDATE_CLASS: &str = "UPDATE job SET class = ?, head = ?, crc = ? WHERE seq = ?";

const UPDATE_HEAD: &str = "UPDATE job SET head = ?, crc = ? WHERE seq = ?";

const INPUT: &str = "INSERT OR REPLACE INTO input (seq, length, body, crc) VALUES (?, ?, ?, ?)";

const RESULT: &str = "INSERT OR REPLACE INTO result (seq, length, body, crc) VALUES (?, ?, ?, ?)";

/// The statements of a connection.
pub(super) struct Rows<'a> {
    insert: Lazy<'a>,
    update: Lazy<'a>,
    update_class: Lazy<'a>,
    update_head: Lazy<'a>,
    input: Lazy<'a>,
    result: Lazy<'a>,
}

/// A statement that is looked up when it is needed first.
struct Lazy<'a> {
    connection: &'a Connection,
    sql: &'static str,
    statement: Option<CachedStatement<'a>>,
}

impl<'a> Lazy<'a> {
    fn get(&mut self) -> rusqlite::Result<&mut CachedStatement<'a>> {
        let statement = match self.statement.take() {
            Some(statement) => statement,
            None => self.connection.prepare_cached(self.sql)?,
        };
        Ok(self.statement.insert(statement))
    }
}

impl<'a> Rows<'a> {
    pub(super) fn of(connection: &'a Connection) -> Self {
        let lazy = |sql| Lazy { connection, sql, statement: None };
        Self {
            insert: lazy(INSERT),
            update: lazy(UPDATE),
            update_class: lazy(UPDATE_CLASS),
            update_head: lazy(UPDATE_HEAD),
            input: lazy(INPUT),
            result: lazy(RESULT),
        }
    }

    /// Writes the row of a record.
    pub(super) fn record(&mut self, Change { old, new, pool }: &Change) -> Result<(), Trouble> {
        let unknown = || Trouble::Broken(format!("the state {:?} cannot be written", new.state));
        let head = encode::record::encode(new).ok_or_else(unknown)?;
        let (seq, id) = (rowid(new.seq), new.id.to_bytes());
        let places = Places::of(new);
        let crc = checksum(seq, &id, *pool, &places, &head);
        let Places { class, priority, due, finished, expiry, is_protected, has_result, has_input } = places;
        let written = match old.as_deref().map(Places::of) {
            // Most changes of a job leave most indexes alone.
            Some(old) if old == places => self.update_head.get()?.execute(params![head, crc, seq])?,
            Some(old) if (Places { class, ..old }) == places => {
                self.update_class.get()?.execute(params![class, head, crc, seq])?
            }
            old => {
                let statement = if old.is_some() { &mut self.update } else { &mut self.insert };
                statement.get()?.execute(params![
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
                ])?
            }
        };
        one_row(seq, written)
    }

    /// Writes the row of an input or a result.
    pub(super) fn body(&mut self, body: &Body) -> Result<(), Trouble> {
        let statement = match body.kind {
            Kind::Input => &mut self.input,
            Kind::Result => &mut self.result,
        };
        statement.get()?.execute((body.seq, body.length, &body.bytes, body.crc))?;
        Ok(())
    }
}

/// Fails unless a change has met the row of this number.
pub(super) fn one_row(seq: i64, changed: usize) -> Result<(), Trouble> {
    if changed == 1 { Ok(()) } else { Err(Trouble::Broken(format!("the record {seq} cannot be found"))) }
}
