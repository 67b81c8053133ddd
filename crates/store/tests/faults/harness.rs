//! Directories that go with their test, and jobs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::{Encoding, JobId, Payload};
use procpool_registry::{Decision, Event, Handled, Offer, Registry, Settings, Time};
use procpool_store::{Durability, Opened, Store};

/// A new directory, which goes in the end.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    pub(crate) fn below(parent: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(parent.join(format!("procpool-faults-{}-{number}", process::id())))
    }

    pub(crate) fn open(&self) -> Opened {
        Store::open(&self.0, Durability::Fsync).expect("a store")
    }

    /// Opens a store that must be whole.
    pub(crate) fn open_whole(&self) -> Store {
        let opened = self.open();
        assert_eq!(opened.damage, [""; 0]);
        opened.store
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Copies its files, as a disk would be found that loses power now.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        fs::create_dir_all(&copy.0).expect("a directory");
        for entry in fs::read_dir(&self.0).expect("the directory") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_file() && entry.file_name() != "reserve" {
                fs::copy(entry.path(), copy.0.join(entry.file_name())).expect("a copy");
            }
        }
        copy
    }

    /// The same with the reserve, which takes longer to make than everything else.
    pub(crate) fn copy_with_reserve(&self) -> Self {
        let copy = self.copy();
        fs::hard_link(self.file("reserve"), copy.file("reserve")).expect("a link");
        copy
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) type Desk = Registry<Store>;

pub(crate) fn desk(store: Store) -> Desk {
    Registry::with_storage(store, Settings::default(), 7).expect("settings that fit")
}

pub(crate) fn id(number: u64) -> JobId {
    JobId::from_bits(u128::from(number))
}

pub(crate) fn at(seconds: u64) -> Time {
    Time::from_nanos(seconds * 1_000_000_000)
}

/// Returns an input of this many bytes.
pub(crate) fn input(length: usize) -> Arc<Submission> {
    Arc::new(Submission::new("fib", Payload::raw(vec![7; length]), Encoding::Json))
}

/// Accepts a job with an input of this many bytes.
pub(crate) fn accept(desk: &mut Desk, number: u64, length: usize) {
    let mut offer = Offer::new(id(number), "fib");
    offer.input = Some(input(length));
    match desk.offer(at(number), offer) {
        Ok(Decision::Run(_)) => {}
        other => panic!("job {number}: {other:?}"),
    }
}

pub(crate) fn finish(desk: &mut Desk, number: u64, output: usize) {
    let result = Ok(Payload::raw(vec![8; output]));
    let finished = Finished::new(id(number), Timing::default(), result);
    assert_eq!(desk.handle(at(number), id(number), Event::finished(finished)), Handled::Done);
}
