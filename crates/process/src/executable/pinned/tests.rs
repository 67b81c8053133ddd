//! One test for each kind of file: how it is pinned, and which bytes run after it was overwritten.

use super::*;
use crate::program::elf::tests::Made;
use crate::program::scratch::Scratch;
use rustix::io::Errno;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Returns a program that exists everywhere and prints its arguments.
fn echo(scratch: &Scratch) -> PathBuf {
    scratch.file("worker", fs::read("/bin/echo").unwrap())
}

fn pin(path: &Path) -> Pinned {
    Executable::path(path).unwrap().pin().unwrap()
}

fn copy(pinned: &Pinned) -> Arc<File> {
    match &pinned.hold {
        Hold::Bytes(copy) => copy.clone(),
        Hold::Both(kept) => kept.copy().clone(),
        hold => panic!("{hold:?} is no copy"),
    }
}

/// Runs the program and returns its output.
fn output(pinned: &Pinned) -> String {
    let spawn = |file: Option<&File>| {
        let opened = file.map(|file| format!("/proc/self/fd/{}", file.as_raw_fd()).into());
        let path = opened.unwrap_or_else(|| pinned.executable().as_path().to_owned());
        Command::new(path).arg("here").stdout(Stdio::piped()).spawn()
    };
    let child = pinned.start(spawn, |_| panic!("nobody writes meanwhile")).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

fn refusal(pinned: &Pinned) -> String {
    pinned.start(|_| Ok(()), |()| ()).unwrap_err().to_string()
}

#[test]
fn a_program_that_is_overwritten_in_place_runs_as_it_was() {
    let scratch = Scratch::new();
    let path = echo(&scratch);
    let pinned = pin(&path);
    assert!(matches!(pinned.hold, Hold::Both(_) | Hold::Bytes(_)), "{pinned:?}");
    assert_eq!(output(&pinned), "here\n");
    // As `cp` overwrites a file, which the kernel refuses while a worker runs that file.
    fs::copy("/bin/false", &path).unwrap();
    assert_eq!(output(&pinned), "here\n");
    fs::remove_file(&path).unwrap();
    assert_eq!(output(&pinned), "here\n");
}

#[test]
fn pools_of_one_file_share_its_copy() {
    let scratch = Scratch::new();
    let path = echo(&scratch);
    let (a, b) = (pin(&path), pin(&path));
    assert!(Arc::ptr_eq(&copy(&a), &copy(&b)));
    fs::copy("/bin/false", &path).unwrap();
    let c = pin(&path);
    assert!(!Arc::ptr_eq(&copy(&a), &copy(&c)));
}

#[test]
fn a_script_goes_by_its_path_because_the_interpreter_needs_the_name() {
    let scratch = Scratch::new();
    let path = scratch.file("script", "#!/bin/sh\necho $0");
    let pinned = pin(&path);
    assert!(matches!(pinned.hold, Hold::Path));
    assert_eq!(output(&pinned), format!("{}\n", path.display()));
}

#[test]
fn a_program_for_another_machine_and_no_program_go_by_their_path() {
    let scratch = Scratch::new();
    let foreign = Made { number: 8, is_big_endian: true, ..Made::native() }.bytes();
    for contents in [&foreign[..], b"MZ\x90\0", b"", b"\x7fELF and nothing more"] {
        assert!(matches!(pin(&scratch.file("worker", contents)).hold, Hold::Path));
    }
}

#[test]
fn a_program_with_libraries_beside_it_is_held_as_a_file_and_its_overwriting_noticed() {
    let scratch = Scratch::new();
    let made = Made { run_path: Some("$ORIGIN/lib"), ..Made::native() };
    let path = scratch.file("worker", made.bytes());
    let pinned = pin(&path);
    assert!(matches!(pinned.hold, Hold::Inode(_)));
    fs::rename(&path, scratch.path().join("other")).unwrap();
    pinned.start(|_| Ok(()), |()| ()).expect("a new name changes nothing");
    scratch.file("other", [made.bytes(), vec![0]].concat());
    let error = refusal(&pinned);
    assert!(error.contains("reload the pool"), "{error}");
}

#[test]
fn a_program_with_privileges_of_its_own_is_held_as_a_file() {
    let scratch = Scratch::new();
    let path = echo(&scratch);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).unwrap();
    assert!(matches!(pin(&path).hold, Hold::Inode(_)));
}

#[test]
fn this_very_program_is_not_copied() {
    let own = std::env::current_exe().unwrap();
    for executable in [Executable::current(), Executable::path(own).unwrap()] {
        let pinned = executable.pin().unwrap();
        let Hold::Bytes(file) = &pinned.hold else { panic!("{pinned:?}") };
        assert!(Identity::of(&file.metadata().unwrap()).is_same_inode(&pinned.identity));
    }
}

#[test]
fn what_is_started_once_and_at_once_is_not_copied() {
    let scratch = Scratch::new();
    let pinned = Executable::path(echo(&scratch)).unwrap().open().unwrap();
    assert!(matches!(pinned.hold, Hold::Inode(_)));
    assert_eq!(output(&pinned), "here\n");
}

#[test]
fn where_no_copy_can_be_made_the_file_itself_is_held() {
    let scratch = Scratch::new();
    let executable = Executable::path(echo(&scratch)).unwrap();
    let pinned = executable.pin_by(|_, _, _| Err(Errno::ACCESS.into())).unwrap();
    assert!(matches!(pinned.hold, Hold::Inode(_)));
    assert_eq!(output(&pinned), "here\n");
    let changing = executable.pin_by(|_, _, _| Err(NoCopy::Changed)).unwrap_err().to_string();
    assert!(changing.contains("changed while it was read"), "{changing}");
}

#[test]
fn half_a_program_is_refused() {
    let scratch = Scratch::new();
    let whole = fs::read("/bin/echo").unwrap();
    let path = scratch.file("worker", &whole[..whole.len() / 4]);
    let error = Executable::path(path).unwrap().pin().unwrap_err().to_string();
    assert!(error.contains("it is cut short"), "{error}");
}

#[test]
fn a_program_that_has_lost_its_right_to_run_is_refused() {
    let scratch = Scratch::new();
    let path = echo(&scratch);
    let executable = Executable::path(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = executable.pin().unwrap_err().to_string();
    assert!(error.contains("chmod +x"), "{error}");
}

#[test]
fn the_same_file_is_known_again_and_another_with_the_same_bytes_is_not() {
    let scratch = Scratch::new();
    for contents in [fs::read("/bin/echo").unwrap(), b"#!/bin/sh\n".to_vec()] {
        let path = scratch.file("worker", &contents);
        let before = pin(&path);
        assert!(pin(&path).is_same_file(&before));
        let next = scratch.file("next", &contents);
        fs::rename(next, &path).unwrap();
        assert!(!pin(&path).is_same_file(&before));
    }
}
