//! For the command line: looks at a store, and tidies one that nobody uses.

mod check;
mod compact;
mod export;
mod stats;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_registry::Record;
use rusqlite::Connection;

pub use self::check::{Checked, check};
pub use self::compact::{Compacted, compact};
pub use self::export::{ExportError, export};
pub use self::stats::{Stats, stats};
use crate::error::OpenError;
use crate::open::{pools, told};
use crate::place;
use crate::row::{COLUMNS, Columns};
use crate::schema;
use crate::trouble::Trouble;

/// Number of records that are read at once. A server's log waits for each such look, and not for all.
const PAGE: usize = 4096;

/// A store that is only read, also while a server has it.
struct Readable {
    directory: PathBuf,
    connection: Connection,
    pools: HashMap<i64, Arc<str>>,
}

impl Readable {
    fn open(directory: &Path) -> Result<Self, OpenError> {
        let database = existing(directory)?;
        let failed = |error| OpenError::sqlite(directory, &error);
        let connection = schema::connect_to_read(&database).map_err(failed)?;
        let found = schema::version(&connection).map_err(failed)?;
        if found != schema::VERSION {
            return Err(OpenError::Newer { path: directory.into(), found, known: schema::VERSION });
        }
        let pools = pools(&connection).map_err(|trouble| told(directory, trouble))?;
        Ok(Self { directory: directory.into(), connection, pools })
    }

    /// Passes on every record, or what is wrong with it, in order of acceptance.
    fn each(&self, mut take: impl FnMut(Result<Record, String>)) -> Result<(), OpenError> {
        let mut after = -1;
        while let Some(last) = self.page(after, &mut take).map_err(|trouble| self.told(trouble))? {
            after = last;
        }
        Ok(())
    }

    fn page(
        &self,
        after: i64,
        take: &mut impl FnMut(Result<Record, String>),
    ) -> Result<Option<i64>, Trouble> {
        let sql = format!("SELECT {COLUMNS} FROM job WHERE seq > ? ORDER BY seq LIMIT {PAGE}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([after])?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            last = Some(seq);
            take(match Columns::read(row) {
                Err(error) => Err(format!("record {seq}: {error}")),
                Ok(columns) => columns.record(&self.pools).map_err(|error| {
                    format!("record {seq} of job {}: {error}", JobId::from_bytes(columns.id))
                }),
            });
        }
        Ok(last)
    }

    fn told(&self, trouble: Trouble) -> OpenError {
        told(&self.directory, trouble)
    }
}

/// Returns the database of a store that exists.
fn existing(directory: &Path) -> Result<PathBuf, OpenError> {
    let database = directory.join(place::DATABASE);
    match database.try_exists() {
        Ok(true) => place::check_format(directory).map(|()| database),
        Ok(false) => Err(OpenError::NoStore { path: directory.into() }),
        Err(error) => Err(OpenError::io(directory, error)),
    }
}
