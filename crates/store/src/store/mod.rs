//! [`Store`]: the registry's storage on SQLite.
//!
//! Changes go into a transaction that begins with the first of them. Those of records wait in memory until a look-up by
//! an index needs them, or the commit. So every later look-up of the group sees them. The methods of the storage return
//! no errors: the first one is remembered, and fails the commit.

mod bodies;
mod cache;
mod damage;
mod durable;
mod lists;
mod pending;
mod pools;
mod records;
mod storage;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_registry::Usage;
use rusqlite::Connection;

use self::cache::Cache;
use self::damage::Damage;
use self::pending::Pending;
use self::pools::Pools;
use crate::checkpoint::Checkpoints;
use crate::clock::Clock;
use crate::place::{Lock, Reserve, Spool};
use crate::trouble::Trouble;

/// The registry's storage on disk. One thread owns it.
#[derive(Debug)]
pub struct Store {
    // The order is that in which they are dropped: the lock comes last.
    pub(crate) connection: Connection,
    pub(crate) checkpoints: Checkpoints,
    pools: Pools,
    cache: RefCell<Cache>,
    /// Changes of records, which [`flush`](Self::flush) writes.
    pending: RefCell<Pending>,
    /// Inputs whose records have not come yet: the registry puts them first.
    early: HashMap<JobId, Arc<Submission>>,
    sums: Sums,
    /// The sums after the last commit.
    durable: Sums,
    group: Group,
    trouble: RefCell<Option<Trouble>>,
    damage: RefCell<Damage>,
    /// Set for ever by a failure of the medium.
    broken: Option<String>,
    reserve: Reserve,
    spool: Spool,
    clock: Clock,
    _lock: Lock,
}

/// The sums that the storage knows without a look-up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) usage: Usage,
    pub(crate) newest: u64,
}

/// The changes since the last commit.
#[derive(Debug, Default)]
struct Group {
    is_open: bool,
    /// Whether its end was tried: its pages may be in the log.
    is_ending: bool,
    /// Whether it takes space that its end does not give back: jobs, inputs or notes.
    grows: bool,
    /// Files that go if it is undone.
    made: Vec<PathBuf>,
    /// Files that go once it is durable.
    dropped: Vec<PathBuf>,
}

/// The parts of a store that is open.
pub(crate) struct Parts {
    pub(crate) connection: Connection,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) pools: HashMap<i64, Arc<str>>,
    pub(crate) sums: Sums,
    pub(crate) reserve: Reserve,
    pub(crate) spool: Spool,
    pub(crate) clock: Clock,
    pub(crate) lock: Lock,
}

impl Store {
    pub(crate) fn of(parts: Parts) -> Self {
        Self {
            connection: parts.connection,
            checkpoints: parts.checkpoints,
            pools: Pools::of(parts.pools),
            cache: RefCell::default(),
            pending: RefCell::default(),
            early: HashMap::new(),
            sums: parts.sums,
            durable: parts.sums,
            group: Group::default(),
            trouble: RefCell::default(),
            damage: RefCell::default(),
            broken: None,
            reserve: parts.reserve,
            spool: parts.spool,
            clock: parts.clock,
            _lock: parts.lock,
        }
    }

    /// Reads, unless the group has failed already. Without that, a loop of the registry that makes room would find the
    /// same record for ever.
    fn look<T: Default>(&self, read: impl FnOnce(&Connection) -> Result<T, Trouble>) -> T {
        if self.trouble.borrow().is_some() {
            return T::default();
        }
        read(&self.connection).unwrap_or_else(|trouble| {
            self.remember(trouble);
            T::default()
        })
    }

    /// Reads by an index, which needs the rows of all records.
    fn search<T: Default>(&self, read: impl FnOnce(&Connection) -> Result<T, Trouble>) -> T {
        self.look(|connection| {
            self.flush()?;
            read(connection)
        })
    }

    /// Changes something, and begins the group before. Does nothing once the group has failed.
    fn change(&mut self, write: impl FnOnce(&mut Self) -> Result<(), Trouble>) {
        if self.trouble.borrow().is_some() {
            return;
        }
        if let Err(trouble) = self.begin().and_then(|()| write(self)) {
            self.remember(trouble);
        }
    }

    fn begin(&mut self) -> Result<(), Trouble> {
        if let Some(reason) = &self.broken {
            return Err(Trouble::Broken(reason.clone()));
        }
        if !self.group.is_open {
            self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            self.group.is_open = true;
        }
        Ok(())
    }

    fn remember(&self, trouble: Trouble) {
        self.trouble.borrow_mut().get_or_insert(trouble.settled(&self.connection));
    }
}
