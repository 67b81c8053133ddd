//! [`Store`]: the registry's storage on SQLite.
//!
//! Changes go into a transaction that begins with the first of them. They wait in memory until a look-up by an index needs
//! them, or the commit. So every later look-up of the group sees them. The methods of the storage return
//! no errors: the first one is remembered, and fails the commit.

mod bodies;
mod cache;
mod damage;
mod durable;
mod lists;
mod pending;
mod pools;
mod records;
mod rows;
mod storage;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
use crate::schema::{CACHED_PAGES, keep_log};
use crate::sync::Syncs;
use crate::trouble::Trouble;

/// The registry's storage on disk. One thread owns it.
#[derive(Debug)]
pub struct Store {
    // The order is that in which they are dropped: the last group is durable first, and the lock comes last.
    /// `None` where a commit need not wait for the disk.
    syncs: Option<Syncs>,
    /// A sync has failed.
    has_failed: Arc<AtomicBool>,
    pub(crate) connection: Connection,
    pub(crate) checkpoints: Checkpoints,
    pools: Pools,
    cache: RefCell<Cache>,
    /// Changes which [`flush`](Self::flush) writes.
    pending: RefCell<Pending>,
    /// Inputs whose records have not come yet: the registry puts them first.
    early: HashMap<JobId, Arc<Submission>>,
    sums: Sums,
    /// The sums after the last group that was written.
    written: Sums,
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
    /// Number of pages that it has changed, at most.
    pages: usize,
    /// Files that go if it is undone.
    made: Vec<PathBuf>,
    /// Files that go once it is durable.
    dropped: Vec<PathBuf>,
}

/// The parts of a store that is open.
pub(crate) struct Parts {
    pub(crate) syncs: Option<Syncs>,
    pub(crate) has_failed: Arc<AtomicBool>,
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
            syncs: parts.syncs,
            has_failed: parts.has_failed,
            connection: parts.connection,
            checkpoints: parts.checkpoints,
            pools: Pools::of(parts.pools),
            cache: RefCell::default(),
            pending: RefCell::default(),
            early: HashMap::new(),
            sums: parts.sums,
            written: parts.sums,
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

    /// Notes that the group changes this number of pages. SQLite may write some of them early that do not fit into its cache: then
    /// the group before has to be durable.
    fn takes_pages(&mut self, count: usize) -> Result<(), Trouble> {
        self.group.pages += count;
        if self.group.pages > CACHED_PAGES / 4 * 3 { self.settle() } else { Ok(()) }
    }

    /// Waits until the group before is durable.
    fn settle(&self) -> Result<(), Trouble> {
        self.syncs.as_ref().map_or(Ok(()), Syncs::settle)
    }

    fn remember(&self, trouble: Trouble) {
        self.trouble.borrow_mut().get_or_insert(trouble.settled(&self.connection));
    }
}

impl Drop for Store {
    /// Ends the last group. After a sync that failed, the next start checks what is in the log: nothing is copied from it any
    /// longer, as the system may count pages as written that are not.
    fn drop(&mut self) {
        drop(self.syncs.take());
        if self.has_failed.load(Ordering::Acquire) {
            keep_log(&self.connection);
        }
    }
}
