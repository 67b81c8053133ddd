//! Directories that cannot be opened, and what the errors say.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use procpool_needs::{Need, skip};
use procpool_registry::{Durable, Storage};
use procpool_store::{Durability, Store, check, compact, export, stats};

use crate::child::{command, lines};
use crate::harness::{Directory, accept, at, desk, finish, id};

fn error(directory: &Directory) -> String {
    Store::open(&directory.0, Durability::Fsync).expect_err("no store").to_string()
}

#[test]
fn a_second_process_is_refused_with_the_id_of_the_first() {
    let directory = Directory::new();
    let mut child = command("commits", &directory.0, &[]).spawn().expect("a child");
    let mut lines = lines(&mut child);
    lines.next().expect("a commit");
    let text = error(&directory);
    let holder = format!("is in use by process {}", child.id());
    assert!(text.contains(&holder) && text.contains(&*directory.0.to_string_lossy()), "{text}");
    for refused in [check(&directory.0).map(drop), compact(&directory.0).map(drop)] {
        assert!(refused.expect_err("in use").to_string().contains(&holder));
    }
    // These only read, a little at a time.
    assert!(stats(&directory.0).expect("stats").usage.records > 0);
    let mut lines = Vec::new();
    assert!(export(&directory.0, &mut lines).expect("an export") > 0);
    child.kill().expect("a kill");
    child.wait().expect("an end");
    drop(directory.open_whole());
}

#[test]
fn a_later_format_is_refused_by_its_number() {
    let directory = Directory::new();
    drop(directory.open());
    fs::write(directory.file("FORMAT"), "procpool-store 7\n").expect("a file");
    let text = error(&directory);
    assert!(text.contains("has format 7, and this version knows formats up to 1"), "{text}");
    fs::write(directory.file("FORMAT"), "what").expect("a file");
    assert!(error(&directory).contains("is damaged: it names no format"));
}

#[test]
fn places_that_are_no_directory_or_no_store_are_named() {
    let directory = Directory::new();
    assert!(stats(&directory.0).expect_err("no store").to_string().contains("has no jobs"));
    assert!(!directory.0.exists(), "a look made a directory");
    fs::write(&directory.0, "").expect("a file");
    let text = error(&directory);
    assert!(text.contains("is no directory; name one for the state"), "{text}");
    let below = Store::open(directory.0.join("state"), Durability::Fsync).expect_err("no store").to_string();
    assert!(below.contains("is no directory"), "{below}");
    fs::remove_file(&directory.0).expect("the file");
}

#[test]
fn a_directory_of_another_user_is_refused() {
    let directory = Directory::new();
    drop(directory.open());
    let mode = fs::metadata(&directory.0).expect("the directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    if chown(&directory.0, Some(12345), None).is_err() {
        return skip(Need::Root, "only root gives a directory away");
    }
    let text = error(&directory);
    assert!(text.contains("belongs to user 12345") && text.contains("`chown`"), "{text}");
}

#[test]
fn payloads_that_are_files_belong_to_their_records() {
    let directory = Directory::new();
    let mut desk = desk(directory.open_whole());
    accept(&mut desk, 1, 100_000);
    finish(&mut desk, 1, 200_000);
    let mut store = desk.into_storage();
    store.commit(at(1)).expect("a commit");
    let files = || stats(&directory.0).expect("stats").files;
    assert_eq!(files(), 2);
    // Undone and removed ones go.
    let mut desk = crate::harness::desk(store);
    accept(&mut desk, 2, 100_000);
    let mut store = desk.into_storage();
    assert_eq!(files(), 3);
    store.undo();
    assert_eq!(files(), 2);
    store.take_input(id(1));
    assert_eq!(files(), 2, "it went before it was durable");
    store.commit(at(2)).expect("a commit");
    assert_eq!(files(), 1);
    drop(store);

    // A start removes a file without a record, and misses one with a record.
    let folders = fs::read_dir(directory.file("spool")).expect("the spool");
    let mut files = folders.flat_map(|folder| fs::read_dir(folder.expect("it").path()).expect("a folder"));
    let file = files.next().expect("a file").expect("it").path();
    let folder = file.parent().expect("a folder").to_owned();
    fs::write(folder.join("stray"), "x").expect("a file");
    drop(directory.open_whole());
    assert!(!folder.join("stray").exists());
    fs::remove_file(file).expect("the file");
    for _ in 0..2 {
        let damage = directory.open().damage;
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert!(damage[0].ends_with("is missing: an input or a result is lost"));
    }
}
