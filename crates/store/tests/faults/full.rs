//! No space: a file that may not grow, and a disk that is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use procpool_needs::{Need, skip};
use procpool_registry::CommitError;
use procpool_store::stats;

use crate::child::{LARGE, command, committed, lines};
use crate::harness::{Desk, Directory, accept, desk, finish};
use crate::shim;

#[test]
fn a_file_that_may_not_grow_fails_the_group_and_nothing_else() {
    let directory = Directory::new();
    drop(directory.open());
    // 36 MiB in units of 512 bytes: the reserve exists, and the database does not get that far.
    let limit = "trap '' XFSZ; ulimit -S -f 73728; exec \"$0\" \"$@\"";
    let mut child = command("limited", &directory.0, &["sh", "-c", limit]).spawn().expect("a child");
    let lines: Vec<String> = lines(&mut child).collect();
    assert!(child.wait().expect("an end").success(), "{lines:?}");
    let usage = directory.open_whole();
    let records = procpool_registry::Storage::usage(&usage).records;
    assert_eq!(lines, [format!("usage {records}")]);
    assert!(records > 100, "{records}");
}

#[test]
fn a_group_that_was_refused_for_space_does_not_return_after_a_crash() {
    let directory = Directory::new();
    drop(directory.open());
    let mut command = command("large", &directory.0, &[]);
    shim::before(&mut command);
    let mut child = command.env("SHIM_INDEX_FULL", "1").spawn().expect("a child");
    let lines: Vec<String> = lines(&mut child).collect();
    assert!(child.wait().expect("an end").success(), "{lines:?}");
    assert_eq!(lines, ["Full 1"]);
    let store = directory.open_whole();
    assert_eq!(procpool_registry::Storage::usage(&store).records as u64, LARGE);
}

/// A file system in memory of this size.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).expect("a directory");
        let mut mount = Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", "size=96m,mode=0700", "tmpfs"]).arg(at).status();
        status.is_ok_and(|it| it.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Accepts jobs until there is no space, and returns the number of the first that was refused.
fn fill(mut desk: Desk, first: u64) -> (Desk, u64) {
    for number in first.. {
        accept(&mut desk, number, 50_000);
        match committed(desk, number) {
            Ok(next) => desk = next,
            Err((next, error)) => {
                assert_eq!(error, CommitError::Full);
                return (next, number);
            }
        }
    }
    unreachable!("no disk is endless")
}

#[test]
fn on_a_full_disk_accepted_jobs_end_and_new_ones_wait_for_space() {
    let place = Directory::new();
    let Some(_disk) = Disk::mount(&place.0) else {
        return skip(Need::Root, "a full disk is one that this test mounts");
    };
    let filler = place.file("filler");
    fs::write(&filler, vec![1; 24 << 20]).expect("space");
    let directory = Directory::below(&place.0);
    let (mut desk, refused) = fill(desk(directory.open_whole()), 1);
    assert!(refused > 50, "{refused}");
    assert!(!stats(&directory.0).expect("stats").has_reserve, "the reserve was not spent");

    for number in 1..refused {
        finish(&mut desk, number, 2000);
        desk = committed(desk, refused)
            .unwrap_or_else(|(_, error)| panic!("job {number} of {refused}: {error}"));
    }
    let (mut desk, still) = fill(desk, refused);
    assert_eq!(still, refused, "the reserve went to a new job");

    fs::remove_file(&filler).expect("the filler");
    accept(&mut desk, refused, 50_000);
    let desk = committed(desk, refused).unwrap_or_else(|(_, error)| panic!("{error}"));
    assert!(stats(&directory.0).expect("stats").has_reserve, "the reserve was not made again");
    drop(desk);
    let store = directory.open_whole();
    let usage = procpool_registry::Storage::usage(&store);
    assert_eq!((usage.records as u64, usage.unfinished), (refused, 1));
    drop(store);
}
