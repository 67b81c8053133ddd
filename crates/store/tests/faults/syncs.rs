//! Syncs that fail.

use crate::child::{command, lines};
use crate::harness::{Directory, id};
use crate::shim;

use procpool_registry::Storage;

#[test]
fn a_failed_sync_ends_the_store_and_loses_nothing_acknowledged() {
    for failing in [15, 22, 40] {
        let directory = Directory::new();
        drop(directory.open());
        let mut command = command("fails", &directory.0, &[]);
        shim::before(&mut command);
        let mut child = command.env("SHIM_FAIL", failing.to_string()).spawn().expect("a child");
        let lines: Vec<String> = lines(&mut child).collect();
        assert!(child.wait().expect("an end").success(), "{lines:?}");
        let (last, accepted) = lines.split_last().expect("a line");
        assert!(last.starts_with("broken the state directory cannot be written"), "{last}");

        let store = directory.open_whole();
        for number in 1..=accepted.len() as u64 {
            assert!(store.get(id(number)).is_some(), "{number} of {}", accepted.len());
        }
    }
}
