//! [`Syncs`]: the log reaches the disk on a thread of its own, so that the next group is prepared meanwhile. One group at a
//! time is on its way: no page of the next one is written before, see `wal`.
//!
//! SQLite writes the log and does not sync it. By itself, it would do so with `fsync`, which waits for the times of the file
//! as well.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use procpool_registry::{CommitError, Settled};

use crate::trouble::Trouble;

/// Maximum number of those who wait for the group that is on its way. The next one waits until it has arrived.
const MOST_WAITING: usize = 64;

/// The thread, and what it shares with the writer.
#[derive(Debug)]
pub(crate) struct Syncs {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    log: File,
    /// Set with the first failure, for those who must not copy from the log any longer.
    has_failed: Arc<AtomicBool>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// A group is written and not durable, or those who wait for it are being told.
    is_on_its_way: bool,
    /// Files that go once it is durable.
    dropped: Vec<PathBuf>,
    waiting: Vec<Settled>,
    /// Why no group is durable any longer.
    failed: Option<String>,
    is_over: bool,
}

impl Syncs {
    /// Starts the thread, for the log of a database that is open. Sets `has_failed` with the first failure.
    pub(crate) fn start(log: &Path, has_failed: Arc<AtomicBool>) -> io::Result<Self> {
        let log = File::open(log)?;
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { log, has_failed, state, changed });
        let theirs = shared.clone();
        let thread = thread::Builder::new().name("store-sync".into()).spawn(move || theirs.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Waits until no group is on its way.
    pub(crate) fn settle(&self) -> Result<(), Trouble> {
        self.shared.settled().failed.clone().map_or(Ok(()), |reason| Err(Trouble::Broken(reason)))
    }

    /// Makes a group durable, and removes these files then. No other is on its way.
    pub(crate) fn sync(&self, dropped: Vec<PathBuf>) -> Result<(), Trouble> {
        self.shared.lock().dropped = dropped;
        self.shared.sync();
        self.settle()
    }

    /// Does that on the thread.
    pub(crate) fn begin(&self, dropped: Vec<PathBuf>) {
        let mut state = self.shared.lock();
        state.is_on_its_way = true;
        state.dropped = dropped;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Calls `then` once no group is on its way.
    pub(crate) fn when_durable(&self, then: Settled) {
        let mut state = self.shared.lock();
        if state.waiting.len() >= MOST_WAITING {
            drop(state);
            state = self.shared.settled();
        }
        if state.is_on_its_way {
            return state.waiting.push(then);
        }
        let ended = state.ended();
        drop(state);
        self.shared.tell(then, ended);
    }
}

impl State {
    fn ended(&self) -> Result<(), CommitError> {
        self.failed.clone().map_or(Ok(()), |reason| Err(CommitError::Broken(reason)))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no group is on its way.
    fn settled(&self) -> MutexGuard<'_, State> {
        let settled = self.changed.wait_while(self.lock(), |state| state.is_on_its_way);
        settled.unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the group durable that was written last.
    fn sync(&self) {
        if let Err(error) = self.log.sync_data() {
            return self.fail(error.to_string());
        }
        let dropped = std::mem::take(&mut self.lock().dropped);
        // A file that stays is without a record, and goes at the next start.
        dropped.iter().for_each(|file| drop(fs::remove_file(file)));
    }

    /// Tells one who waits. A panic breaks the store: else it would wait for its thread for ever.
    fn tell(&self, then: Settled, ended: Result<(), CommitError>) {
        if catch_unwind(AssertUnwindSafe(|| then(ended))).is_err() {
            self.fail("what follows a commit has panicked".into());
        }
    }

    /// Lets nothing be durable any longer, whatever a later sync says: the system tells of a failure once.
    fn fail(&self, reason: String) {
        self.has_failed.store(true, Ordering::Release);
        self.lock().failed.get_or_insert(reason);
    }

    fn run(&self) {
        loop {
            let due = self.changed.wait_while(self.lock(), |state| !state.is_on_its_way && !state.is_over);
            let mut state = due.unwrap_or_else(PoisonError::into_inner);
            if !state.is_on_its_way {
                return;
            }
            drop(state);
            self.sync();
            state = self.lock();
            while !state.waiting.is_empty() {
                let (waiting, ended) = (std::mem::take(&mut state.waiting), state.ended());
                drop(state);
                waiting.into_iter().for_each(|then| self.tell(then, ended.clone()));
                state = self.lock();
            }
            state.is_on_its_way = false;
            drop(state);
            self.changed.notify_all();
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("State")
            .field("is_on_its_way", &self.is_on_its_way)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Drop for Syncs {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_all();
        // A panic of the thread has been told by its hook.
        self.thread.take().map(JoinHandle::join);
    }
}
