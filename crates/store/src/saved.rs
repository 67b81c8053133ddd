//! [`Saved`]: the one row about the store itself.

use procpool_registry::Time;
use rusqlite::{Connection, OptionalExtension, params};

use crate::clock::Moment;
use crate::row::checksum_of;
use crate::trouble::Trouble;

/// The highest number of a record, the registry's time, and when it was that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) newest: u64,
    pub(crate) now: Time,
    pub(crate) moment: Moment,
}

impl Saved {
    pub(crate) fn write(&self, connection: &Connection) -> Result<(), Trouble> {
        let sql = "INSERT OR REPLACE INTO state (one, newest, now, wall, since_boot, boot, crc) VALUES (1, ?, ?, ?, ?, ?, ?)";
        let numbers = self.numbers().map(u64::cast_signed);
        connection.prepare_cached(sql)?.execute(params![
            numbers[0],
            numbers[1],
            numbers[2],
            numbers[3],
            self.moment.boot,
            self.checksum()
        ])?;
        Ok(())
    }

    pub(crate) fn read(connection: &Connection) -> Result<Option<Self>, Trouble> {
        let sql = "SELECT newest, now, wall, since_boot, boot, crc FROM state WHERE one = 1";
        let row = connection.query_row(sql, [], |row| {
            let number = |at: usize| row.get(at).map(i64::cast_unsigned);
            let moment = Moment { wall: number(2)?, since_boot: number(3)?, boot: row.get(4)? };
            Ok((
                Self { newest: number(0)?, now: Time::from_nanos(number(1)?), moment },
                row.get::<_, u32>(5)?,
            ))
        });
        match row.optional()? {
            Some((saved, crc)) if saved.checksum() != crc => {
                Err(Trouble::Broken("the row about its time has a wrong checksum".into()))
            }
            row => Ok(row.map(|(saved, _)| saved)),
        }
    }

    fn numbers(&self) -> [u64; 4] {
        [self.newest, self.now.as_nanos(), self.moment.wall, self.moment.since_boot]
    }

    fn checksum(&self) -> u32 {
        checksum_of(self.moment.boot.as_bytes(), &self.numbers().map(u64::to_le_bytes).concat())
    }
}
