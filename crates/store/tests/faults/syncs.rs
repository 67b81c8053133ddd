//! Syncs that fail.

use crate::child::{command, lines};
use crate::harness::{Directory, accept, at, desk, id};
use crate::shim;

use procpool_registry::{Durable, Storage};

#[test]
fn a_failed_sync_ends_the_store_and_loses_nothing_acknowledged() {
    fails("fails");
}

#[test]
fn a_failed_sync_of_a_sealed_group_does_so_too() {
    fails("fails sealed");
}

/// The system tells of a failure once: a sync that succeeds later says nothing.
#[test]
fn a_sync_that_fails_once_damages_nothing() {
    for role in ["fails", "fails sealed"] {
        for failing in 14..30 {
            let directory = Directory::new();
            drop(directory.open());
            let accepted = told(&directory, role, failing, true);
            let store = directory.open_whole();
            // Nobody knows whether the group that failed is on the disk.
            let newest = store.newest();
            assert!((accepted..=accepted + 1).contains(&newest), "{role}, {failing}: {newest}, {accepted}");
        }
    }
}

#[test]
fn a_panic_of_who_waits_breaks_the_store_and_holds_nobody_up() {
    let directory = Directory::new();
    let mut registry = desk(directory.open().store);
    accept(&mut registry, 1, 100);
    let mut store = registry.into_storage();
    store.seal(at(1)).unwrap();
    store.when_durable(Box::new(|_| std::panic::resume_unwind(Box::new("as a test wants it"))));
    // The sealed group is durable, and nothing is from then on: the panic may have left something untold.
    store.put_note("n", Some(vec![1]));
    let error = store.commit(at(2)).unwrap_err().to_string();
    assert!(error.contains("panicked"), "{error}");
    drop(store);
    assert!(directory.open_whole().get(id(1)).is_some());
}

fn fails(role: &str) {
    for failing in [15, 22, 40] {
        let directory = Directory::new();
        drop(directory.open());
        let accepted = told(&directory, role, failing, false);
        let store = directory.open_whole();
        for number in 1..=accepted {
            assert!(store.get(id(number)).is_some(), "{number} of {accepted}");
        }
    }
}

/// Runs a child until a sync fails, the nth alone or all from there on. Returns the number of jobs of which it has told.
fn told(directory: &Directory, role: &str, failing: u32, is_alone: bool) -> u64 {
    let mut command = command(role, &directory.0, &[]);
    shim::before(&mut command);
    command.env("SHIM_FAIL", failing.to_string());
    if is_alone {
        command.env("SHIM_ONCE", "1");
    }
    let mut child = command.spawn().expect("a child");
    let lines: Vec<String> = lines(&mut child).collect();
    assert!(child.wait().expect("an end").success(), "{lines:?}");
    let (last, accepted) = lines.split_last().expect("a line");
    assert!(last.starts_with("broken the state directory cannot be written"), "{last}");
    accepted.len() as u64
}
