//! Opening a store: the directory, its lock, the tables, and every record once.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use procpool_protocol::JobId;
use procpool_registry::Time;
use rusqlite::Connection;

use crate::checkpoint::Checkpoints;
use crate::clock::Clock;
use crate::error::OpenError;
use crate::index::Entries;
use crate::place::{self, Kind, Lock, Reserve, Spool};
use crate::repair;
use crate::row::{COLUMNS, Columns};
use crate::saved::Saved;
use crate::schema::{self, Durability};
use crate::store::{Parts, Store, Sums};
use crate::sync::Syncs;
use crate::trouble::Trouble;
use crate::wal;

/// A store that is open.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// The registry's time. It continues from the last commit.
    pub now: Time,
    /// Damage and losses, one sentence each. Damaged records are set aside and no longer among the jobs; every
    /// later start says so again. An index that was made again has lost nothing, and only this start says so.
    pub damage: Vec<String>,
}

impl Store {
    /// Opens the store of a directory, which is made if it is missing. Reads and checks every record.
    ///
    /// # Errors
    /// Names the directory and the way out, see [`OpenError`].
    pub fn open(directory: impl AsRef<Path>, durability: Durability) -> Result<Opened, OpenError> {
        Self::open_by(directory, durability, Clock::system())
    }

    /// Opens a store like [`open`](Self::open), with this clock.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_by(
        directory: impl AsRef<Path>,
        durability: Durability,
        clock: Clock,
    ) -> Result<Opened, OpenError> {
        let directory = directory.as_ref();
        place::prepare(directory)?;
        let lock = Lock::take(directory)?;
        place::check_format(directory)?;
        let found =
            wal::examine(directory).map_err(|error| OpenError::io(&directory.join(place::WAL), error))?;
        let database = directory.join(place::DATABASE);
        let failed = |error| OpenError::sqlite(directory, &error);
        let mut connection = schema::connect(&database, durability).map_err(failed)?;
        let version = schema::version(&connection).map_err(failed)?;
        if version > schema::VERSION {
            return Err(OpenError::Newer { path: directory.into(), found: version, known: schema::VERSION });
        }
        schema::migrate(&mut connection).map_err(failed)?;

        let spool = Spool::of(directory);
        let read = Read::all(&mut connection, &spool, found.as_deref());
        let Read { saved, pools, sums, damage } = read.map_err(|trouble| told(directory, trouble))?;
        let has_failed = Arc::<AtomicBool>::default();
        let checkpoints = Checkpoints::start(&database, durability, &mut connection, has_failed.clone())
            .map_err(|trouble| told(directory, trouble))?;
        // As SQLite has resolved the name.
        let log = PathBuf::from(format!("{}-wal", connection.path().unwrap_or_default()));
        let syncs = match durability {
            Durability::Fsync => {
                let started = Syncs::start(&log, has_failed.clone());
                Some(started.map_err(|error| OpenError::io(&log, error))?)
            }
            Durability::Process => None,
        };
        schema::sync_by_itself(&connection, false).map_err(failed)?;
        let moment = clock.moment();
        let now = saved.map_or_else(|| moment.first(), |saved| saved.moment.passed(saved.now, &moment));
        let reserve = Reserve::of(directory);
        let parts =
            Parts { syncs, has_failed, connection, checkpoints, pools, sums, reserve, spool, clock, lock };
        Ok(Opened { store: Self::of(parts), now, damage })
    }
}

/// Returns the trouble as an error of a start.
pub(crate) fn told(directory: &Path, trouble: Trouble) -> OpenError {
    match trouble {
        Trouble::Full => OpenError::Full { path: directory.into() },
        Trouble::Unwritten(reason) | Trouble::Broken(reason) => {
            OpenError::Damaged { path: directory.into(), reason }
        }
    }
}

/// The content that a start reads.
struct Read {
    saved: Option<Saved>,
    pools: HashMap<i64, Arc<str>>,
    sums: Sums,
    damage: Vec<String>,
}

impl Read {
    fn all(connection: &mut Connection, spool: &Spool, found: Option<&str>) -> Result<Self, Trouble> {
        let transaction = connection.transaction()?;
        if let Some(damage) = found {
            // The part that the log has lost may have been half of something.
            integrity(&transaction)?;
            transaction.execute("INSERT INTO damage (what) VALUES (?)", [damage])?;
        }
        repair::compare_names(&transaction)?;
        let pools = pools(&transaction)?;
        let saved = Saved::read(&transaction)?;
        let mut sums = Sums { newest: saved.as_ref().map_or(0, |saved| saved.newest), ..Sums::default() };
        let mut entries = Entries::default();
        let damaged = sum(&transaction, &pools, &mut sums, &mut entries)?;
        if saved.is_none() && sums.newest > 0 {
            return Err(Trouble::Broken("the time of the last commit is missing".into()));
        }
        let repaired = repair::all(&transaction, &pools, &entries, &damaged)?;
        for path in spool.sweep(spooled(&transaction, spool)?)? {
            let what = format!("the file {} is missing: an input or a result is lost", path.display());
            let known =
                "INSERT INTO damage (what) SELECT ?1 WHERE NOT EXISTS (SELECT * FROM damage WHERE what = ?1)";
            transaction.execute(known, [what])?;
        }
        let mut damage = damage(&transaction)?;
        damage.extend(repaired);
        transaction.commit()?;
        Ok(Self { saved, pools, sums, damage })
    }
}

/// Returns the names of the pools by their numbers.
pub(crate) fn pools(connection: &Connection) -> Result<HashMap<i64, Arc<str>>, Trouble> {
    let mut statement = connection.prepare("SELECT id, name FROM pool")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?.into())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds up every record and the entries that it needs, and returns the damaged ones.
fn sum(
    connection: &Connection,
    pools: &HashMap<i64, Arc<str>>,
    sums: &mut Sums,
    entries: &mut Entries,
) -> Result<Vec<(i64, String)>, Trouble> {
    let mut damaged = Vec::new();
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM job ORDER BY seq"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let columns = match Columns::read(row) {
            Ok(columns) => columns,
            // A column of another type: the number alone is certain.
            Err(error) => {
                let seq = row.get(0)?;
                damaged.push((seq, format!("record {seq}: {error}")));
                continue;
            }
        };
        entries.add(columns.seq, &columns.id, columns.pool, &columns.places);
        match columns.record(pools) {
            Ok(record) => {
                entries.add_key(&record);
                sums.usage.add(&record);
                sums.newest = sums.newest.max(record.seq);
            }
            Err(error) => {
                let job = JobId::from_bytes(columns.id);
                damaged.push((columns.seq, format!("record {} of job {job}: {error}", columns.seq)));
            }
        }
    }
    Ok(damaged)
}

/// Returns the files of all payloads that are files.
pub(crate) fn spooled(
    connection: &Connection,
    spool: &Spool,
) -> Result<HashSet<std::path::PathBuf>, Trouble> {
    let mut files = HashSet::new();
    for kind in Kind::BOTH {
        let table = if kind == Kind::Input { "input" } else { "result" };
        let sql = format!("SELECT job.id FROM {table} JOIN job USING (seq) WHERE {table}.body IS NULL");
        let mut statement = connection.prepare(&sql)?;
        for id in statement.query_map([], |row| row.get(0))? {
            files.insert(spool.path(JobId::from_bytes(id?), kind));
        }
    }
    Ok(files)
}

/// Fails unless the structure of the database is whole.
pub(crate) fn integrity(connection: &Connection) -> Result<(), Trouble> {
    let first: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if first == "ok" { Ok(()) } else { Err(Trouble::Broken(first)) }
}

/// Returns the damage that starts have found.
pub(crate) fn damage(connection: &Connection) -> Result<Vec<String>, Trouble> {
    let mut statement = connection.prepare("SELECT what FROM damage LIMIT 100")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
