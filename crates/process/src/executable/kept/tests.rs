//! The source of each start, and the effect of a write to the file in between.

use super::*;
use crate::program::scratch::Scratch;
use std::cell::{Cell, RefCell};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[test]
fn the_file_runs_while_nothing_tells_it_from_the_copy() {
    assert_eq!(choose(true, Attempt::NotMade), Run::File);
    assert_eq!(choose(true, Attempt::Runs { has_same_bytes: true }), Run::File);
    assert_eq!(choose(true, Attempt::Failed { is_busy: false }), Run::File, "the copy would fail, too");
}

#[test]
fn the_copy_runs_once_the_file_has_changed_whatever_came_of_starting_that() {
    let failed = [true, false].map(|is_busy| Attempt::Failed { is_busy });
    let runs = [true, false].map(|has_same_bytes| Attempt::Runs { has_same_bytes });
    for attempt in [failed, runs].concat().into_iter().chain([Attempt::NotMade]) {
        assert_eq!(choose(false, attempt), Run::Copy, "{attempt:?}");
    }
}

#[test]
fn the_copy_runs_while_somebody_has_the_file_open_for_writing() {
    assert_eq!(choose(true, Attempt::Failed { is_busy: true }), Run::Copy);
}

#[test]
fn the_copy_runs_where_the_bytes_differ_though_nothing_else_does() {
    assert_eq!(choose(true, Attempt::Runs { has_same_bytes: false }), Run::Copy);
}

/// Files that no process runs stand in for the kernel.
struct Stage {
    scratch: Scratch,
    kept: Kept,
    started: RefCell<Vec<Run>>,
    discarded: Cell<usize>,
}

impl Stage {
    fn new(file: &[u8], copy: &[u8]) -> Self {
        let scratch = Scratch::new();
        let path = scratch.file("worker", file);
        let open = |path: &Path| File::open(path).unwrap();
        let (file, copy) = (open(&path), open(&scratch.file("copy", copy)));
        let identity = Identity::of(&file.metadata().unwrap());
        let kept = Kept::new(path, file, identity, copy.into());
        Self { scratch, kept, started: RefCell::default(), discarded: Cell::new(0) }
    }

    /// `meanwhile` runs after the file is inspected and before a process runs.
    fn start(&self, meanwhile: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let inode = |file: &File| file.metadata().unwrap().ino();
        let spawn = |file: &File| {
            let run = if inode(file) == inode(&self.kept.file) { Run::File } else { Run::Copy };
            self.started.borrow_mut().push(run);
            if run == Run::File { meanwhile() } else { Ok(()) }
        };
        self.kept.start(spawn, |()| self.discarded.set(self.discarded.get() + 1))
    }

    /// Returns the starts since the last call, and the number of these processes that were ended.
    fn seen(&self) -> (Vec<Run>, usize) {
        (self.started.take(), self.discarded.take())
    }
}

#[test]
fn an_untouched_file_is_started_and_its_copy_is_not() {
    let stage = Stage::new(b"same", b"same");
    stage.start(|| Ok(())).unwrap();
    assert_eq!(stage.seen(), (vec![Run::File], 0));
}

#[test]
fn a_process_whose_file_was_written_to_before_it_ran_is_ended_and_the_copy_started() {
    let stage = Stage::new(b"same", b"same");
    let write = || {
        stage.scratch.file("worker", "evil");
        Ok(())
    };
    stage.start(write).unwrap();
    assert_eq!(stage.seen(), (vec![Run::File, Run::Copy], 1));
    stage.start(|| panic!("the file is not started again")).unwrap();
    assert_eq!(stage.seen(), (vec![Run::Copy], 0));
}

#[test]
fn bytes_that_differ_with_every_time_as_it_was_are_found_and_never_started_again() {
    let long = vec![7; 3 * CHUNK];
    let other = |at: usize| {
        let mut other = long.clone();
        other[at] = 8;
        other
    };
    for at in [0, CHUNK + 1, 3 * CHUNK - 1] {
        let stage = Stage::new(&other(at), &long);
        stage.start(|| Ok(())).unwrap();
        assert_eq!(stage.seen(), (vec![Run::File, Run::Copy], 1));
        stage.start(|| Ok(())).unwrap();
        assert_eq!(stage.seen(), (vec![Run::Copy], 0));
    }
}

#[test]
fn a_file_that_was_open_for_writing_is_started_again_if_nothing_was_written() {
    let stage = Stage::new(b"same", b"same");
    stage.start(|| Err(ErrorKind::ExecutableFileBusy.into())).unwrap();
    assert_eq!(stage.seen(), (vec![Run::File, Run::Copy], 0));
    stage.start(|| Ok(())).unwrap();
    assert_eq!(stage.seen(), (vec![Run::File], 0));
}

#[test]
fn an_error_that_is_not_about_the_file_is_returned_at_once() {
    let stage = Stage::new(b"same", b"same");
    let error = stage.start(|| Err(ErrorKind::OutOfMemory.into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert_eq!(stage.seen(), (vec![Run::File], 0));
}

#[test]
fn a_file_that_nobody_may_execute_any_more_runs_as_its_copy() {
    let stage = Stage::new(b"same", b"same");
    let take_away = || {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(&stage.kept.path, mode)?;
        Err(ErrorKind::PermissionDenied.into())
    };
    stage.start(take_away).unwrap();
    assert_eq!(stage.seen(), (vec![Run::File, Run::Copy], 0));
}
