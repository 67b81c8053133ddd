//! Bytes that have changed on the disk: told, or harmless.

use std::fs;
use std::path::Path;

use procpool_registry::{CommitError, Durable, Storage};
use procpool_store::{Durability, Store};

use crate::child::committed;
use crate::harness::{Directory, accept, at, desk, finish, id};
use crate::random::Random;

const JOBS: u64 = 120;

fn filled(directory: &Directory) -> Store {
    let mut desk = desk(directory.open_whole());
    for number in 1..=JOBS {
        accept(&mut desk, number, 700);
        if number.is_multiple_of(3) {
            finish(&mut desk, number - 1, 500);
        }
        desk = committed(desk, number).unwrap_or_else(|(_, error)| panic!("{error}"));
    }
    desk.into_storage()
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("a file");
    bytes[at] ^= 0x10;
    fs::write(file, bytes).expect("a file");
}

/// Returns everything that the store has, as text, and whether it tells of damage.
fn read(directory: &Directory) -> Result<(String, bool), String> {
    let opened = Store::open(&directory.0, Durability::Fsync).map_err(|error| error.to_string())?;
    let (mut store, is_told) = (opened.store, !opened.damage.is_empty());
    let mut text = String::new();
    for job in (1..=JOBS).map(id) {
        text += &format!("{:?} {:?} {:?}", store.get(job), store.input(job), store.result(job));
    }
    text += &format!("{:?}", store.usage());
    store.put_note("n", Some(vec![1]));
    match store.commit(at(JOBS)) {
        Ok(()) => Ok((text, is_told)),
        Err(CommitError::Broken(_)) => Ok((text, true)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_changed_byte_in_the_log_is_told() {
    let directory = Directory::new();
    let store = filled(&directory);
    let log = fs::metadata(directory.file("jobs.sqlite-wal")).expect("a log").len();
    let mut random = Random::new(5);
    for _ in 0..40 {
        let copy = directory.copy();
        // Behind the header, and before the last commit: that one looks as if it had never been synced.
        let at = 32 + random.below(log * 9 / 10) as usize;
        flip(&copy.file("jobs.sqlite-wal"), at);
        let found = read(&copy);
        assert!(
            found.as_ref().is_err() || found.as_ref().is_ok_and(|(_, is_told)| *is_told),
            "byte {at}: {found:.300?}"
        );
    }
    drop(store);
}
