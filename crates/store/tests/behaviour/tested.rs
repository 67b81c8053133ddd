//! The storage under the rules: a store in a directory of its own.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;
use procpool_registry::{Durable, Key, Part, Query, Record, Storage, Time, Usage};
use procpool_store::{Durability, Store};

/// A store whose directory goes with it.
pub(crate) struct Tested {
    /// `None` while it is opened again, and in the end.
    store: Option<Store>,
    directory: PathBuf,
}

/// Returns a storage without records.
pub(crate) fn empty() -> Tested {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("procpool-behaviour-{}-{number}", process::id()));
    let store = Some(open(&directory));
    Tested { store, directory }
}

/// Commits, closes and opens the storage.
pub(crate) fn reopened(mut storage: Tested, now: Time) -> Tested {
    let mut store = storage.store.take().expect("an open store");
    store.commit(now).expect("a commit");
    drop(store);
    storage.store = Some(open(&storage.directory));
    storage
}

fn open(directory: &PathBuf) -> Store {
    let opened = Store::open(directory, Durability::Process).expect("a store");
    assert_eq!(opened.damage, [""; 0]);
    opened.store
}

impl Tested {
    fn store(&self) -> &Store {
        self.store.as_ref().expect("an open store")
    }

    fn store_mut(&mut self) -> &mut Store {
        self.store.as_mut().expect("an open store")
    }
}

/// The rules compare a storage with itself before and after, as text: its records and sums.
impl fmt::Debug for Tested {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Query { pools: None, classes: None, below: u64::MAX, since: Time::ZERO, limit: usize::MAX };
        write!(out, "{:?} {:?}", self.page(&all), self.usage())
    }
}

impl Drop for Tested {
    fn drop(&mut self) {
        self.store = None;
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Storage for Tested {
    fn put(&mut self, record: Arc<Record>) {
        self.store_mut().put(record);
    }

    fn remove(&mut self, record: &Record) {
        self.store_mut().remove(record);
    }

    fn get(&self, job: JobId) -> Option<Arc<Record>> {
        self.store().get(job)
    }

    fn holder(&self, key: &Key) -> Option<Arc<Record>> {
        self.store().holder(key)
    }

    fn newest(&self) -> u64 {
        self.store().newest()
    }

    fn page(&self, query: &Query<'_>) -> Vec<Arc<Record>> {
        self.store().page(query)
    }

    fn overdue(&self, now: Time) -> Option<Arc<Record>> {
        self.store().overdue(now)
    }

    fn next_expiry(&self) -> Option<Time> {
        self.store().next_expiry()
    }

    fn spare(&self, part: Part) -> Option<Arc<Record>> {
        self.store().spare(part)
    }

    fn usage(&self) -> Usage {
        self.store().usage()
    }

    fn put_input(&mut self, job: JobId, input: Arc<Submission>) {
        self.store_mut().put_input(job, input);
    }

    fn input(&self, job: JobId) -> Option<Arc<Submission>> {
        self.store().input(job)
    }

    fn take_input(&mut self, job: JobId) -> Option<Arc<Submission>> {
        self.store_mut().take_input(job)
    }

    fn put_result(&mut self, job: JobId, result: Arc<Finished>) {
        self.store_mut().put_result(job, result);
    }

    fn result(&self, job: JobId) -> Option<Arc<Finished>> {
        self.store().result(job)
    }

    fn take_result(&mut self, job: JobId) -> Option<Arc<Finished>> {
        self.store_mut().take_result(job)
    }
}
