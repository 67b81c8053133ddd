//! Checkpoints: pages go from the write-ahead log into the database on a thread of their own, so that commits do not
//! wait for it. A log that has grown all the same is restarted by the writer.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::schema::{self, Durability};
use crate::trouble::Trouble;

/// Time between two checkpoints while there are commits.
const PAUSE: Duration = Duration::from_millis(50);

/// Number of pages in the log above which the writer restarts it: 12 MiB. It also bounds how long the next start reads.
/// SQLite's index of the log grows in steps of 4,096 pages. On a full disk it could not, so that most logs end before.
const MAX_PAGES: i64 = (12 << 20) / 4096;

/// The thread, and what it shares with the writer.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Held during a checkpoint, so that the writer's and the thread's do not meet.
    turn: Mutex<()>,
    /// Number of pages in the log after the last commit.
    pages: AtomicI64,
    /// A sync of the log has failed. The next start alone checks its pages.
    has_failed: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    /// There were commits since the last checkpoint.
    is_due: bool,
    is_over: bool,
    trouble: Option<Trouble>,
}

impl Checkpoints {
    /// Starts the thread, with a connection of its own, and counts the pages that the writer adds.
    pub(crate) fn start(
        database: &Path,
        durability: Durability,
        writer: &mut Connection,
        has_failed: Arc<AtomicBool>,
    ) -> Result<Self, Trouble> {
        let connection = schema::connect(database, durability)?;
        let shared = Arc::new(Shared { has_failed, ..Shared::default() });
        let counted = shared.clone();
        writer.wal_hook(Some(move |_: &mut Wal, pages| {
            counted.pages.store(i64::from(pages), Ordering::Relaxed);
            Ok(())
        }))?;
        let theirs = shared.clone();
        let body = move || theirs.run(&connection);
        let thread = thread::Builder::new().name("store-checkpoint".into()).spawn(body)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns what has gone wrong on the thread, once.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.shared.lock().trouble.take()
    }

    /// Lets the thread know of a commit, and restarts a log that is too long.
    pub(crate) fn after_commit(&self, writer: &Connection) -> Result<(), Trouble> {
        {
            let mut state = self.shared.lock();
            if !state.is_due {
                state.is_due = true;
                self.shared.changed.notify_one();
            }
        }
        if self.shared.pages.load(Ordering::Relaxed) <= MAX_PAGES {
            return Ok(());
        }
        let _turn = self.shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader in another process may hold the log. The next commit tries again, and none waits.
        writer.busy_timeout(Duration::ZERO)?;
        let restarted = pages(writer, "RESTART");
        writer.busy_timeout(Duration::from_secs(5))?;
        restarted.map(drop)
    }
}

/// Runs a checkpoint, and returns the number of pages in the log.
fn pages(connection: &Connection, mode: &str) -> Result<i64, Trouble> {
    let run = || -> Result<i64, Trouble> {
        let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
        Ok(statement.query_row([], |row| row.get(1))?)
    };
    run().map_err(|trouble| trouble.settled(connection))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, connection: &Connection) {
        loop {
            let due = self.changed.wait_while(self.lock(), |state| !state.is_due && !state.is_over);
            let mut state = due.unwrap_or_else(PoisonError::into_inner);
            if state.is_over {
                break;
            }
            state.is_due = false;
            drop(state);
            let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            if self.has_failed.load(Ordering::Acquire) {
                break;
            }
            let done = pages(connection, "PASSIVE");
            drop(turn);
            let mut state = self.lock();
            if let Err(trouble) = done {
                state.trouble.get_or_insert(trouble);
            }
            // Ends early with the store alone.
            drop(self.changed.wait_timeout_while(state, PAUSE, |state| !state.is_over));
        }
        if self.has_failed.load(Ordering::Acquire) {
            schema::keep_log(connection);
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_one();
        // A panic of the thread has been told by its hook.
        self.thread.take().map(JoinHandle::join);
    }
}
