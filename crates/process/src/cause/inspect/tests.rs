//! Creates each obstacle and checks that it is found.

use super::*;
use crate::program::elf::tests::Made;
use crate::program::scratch::Scratch;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn found(path: &Path) -> Obstacle {
    inspect(path, None, None).unwrap_err()
}

/// Starts the file and returns the system's error, explained.
fn explained(path: &Path, dir: Option<&Path>) -> String {
    let mut command = Command::new(path);
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    of_spawn(path, dir, None, command.spawn().unwrap_err()).to_string()
}

#[test]
fn a_missing_interpreter_is_named() {
    let scratch = Scratch::new();
    let path = scratch.file("a", "#!/no/such/interpreter\n");
    assert_eq!(found(&path), Obstacle::InterpreterMissing("/no/such/interpreter".into()));
    let said = explained(&path, None);
    assert!(said.starts_with("its interpreter /no/such/interpreter does not exist"), "{said}");
}

#[test]
fn a_first_line_that_ends_in_crlf_is_told() {
    let scratch = Scratch::new();
    let path = scratch.file("b", "#!/bin/sh\r\nexit\r\n");
    let said = explained(&path, None);
    assert!(said.contains("ends in CRLF") && said.contains(path.to_str().unwrap()), "{said}");
    // Here the system starts `env`, which finds no `sh\r`.
    let path = scratch.file("c", "#!/usr/bin/env sh\r\n");
    assert!(matches!(found(&path), Obstacle::CarriageReturn { looked_for, .. } if looked_for == "sh\r"));
}

#[test]
fn an_interpreter_is_inspected_as_well() {
    let scratch = Scratch::new();
    let plain = scratch.path().join("plain");
    fs::write(&plain, "").unwrap();
    let path = scratch.file("a", format!("#!{}\n", plain.display()));
    assert_eq!(
        found(&path),
        Obstacle::Interpreter { interpreter: plain.clone(), reason: Box::new(Obstacle::NotExecutable) }
    );
    let circle = scratch.path().join("circle");
    let said = found(&scratch.file("circle", format!("#!{}\n", circle.display())));
    assert_eq!(said, Obstacle::TooManyScripts);
    assert_eq!(found(&scratch.file("none", "#!\nexit\n")), Obstacle::NoInterpreter);
}

#[test]
fn a_relative_interpreter_counts_from_where_the_worker_starts() {
    let scratch = Scratch::new();
    let path = scratch.file("a", "#!./sh\n");
    assert_eq!(inspect(&path, Some(Path::new("/bin")), None), Ok(()));
    assert!(inspect(&path, Some(scratch.path()), None).is_err());
}

#[test]
fn a_program_that_env_does_not_find_is_named() {
    let scratch = Scratch::new();
    let path = scratch.file("a", "#!/usr/bin/env procpool-no-such-program\n");
    assert_eq!(found(&path), Obstacle::NotOnPath("procpool-no-such-program".into()));
    scratch.file("procpool-no-such-program", "");
    assert_eq!(inspect(&path, None, Some(scratch.path().as_os_str())), Ok(()));
}

#[test]
fn a_missing_elf_loader_is_named() {
    let scratch = Scratch::new();
    let made = Made { loader: Some("/no/such/ld.so"), ..Made::native() };
    let path = scratch.file("a", made.bytes());
    assert_eq!(found(&path), Obstacle::LoaderMissing("/no/such/ld.so".into()));
    let said = explained(&path, None);
    assert!(said.starts_with("its ELF loader /no/such/ld.so does not exist"), "{said}");
    let unexecutable = Made { loader: Some("/etc/passwd"), ..Made::native() };
    let found = found(&scratch.file("b", unexecutable.bytes()));
    assert!(
        matches!(&found, Obstacle::Loader { reason, .. } if **reason == Obstacle::NotExecutable),
        "{found}"
    );
}

#[test]
fn another_machine_is_named_with_this_one() {
    let scratch = Scratch::new();
    let number = if cfg!(target_arch = "s390x") { 62 } else { 22 };
    let foreign = Made { number, ..Made::native() };
    let said = found(&scratch.file("a", foreign.bytes())).to_string();
    let own = Machine::own().unwrap().to_string();
    let other = if number == 22 { "s390x" } else { "x86_64" };
    assert!(said.starts_with(&format!("it is for {other}, and this machine is {own}")), "{said}");
}

#[test]
fn what_is_no_program_or_not_all_of_one_is_told() {
    let scratch = Scratch::new();
    let text = scratch.file("text", "echo no first line\n");
    assert!(explained(&text, None).contains("neither a program (ELF) nor a script"));
    let whole = fs::read("/bin/true").unwrap();
    let half = scratch.file("half", &whole[..whole.len() / 4]);
    assert!(matches!(found(&half), Obstacle::Incomplete { .. }));
}

#[test]
fn what_is_not_there_or_not_executable_is_told_apart() {
    let scratch = Scratch::new();
    let missing = scratch.path().join("missing");
    assert_eq!(found(&missing), Obstacle::Missing);
    let link = scratch.path().join("link");
    std::os::unix::fs::symlink(&missing, &link).unwrap();
    assert_eq!(found(&link), Obstacle::DanglingLink(missing.clone()));
    let circle = scratch.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    assert_eq!(found(&circle), Obstacle::Loop);
    let plain = scratch.path().join("plain");
    fs::write(&plain, "").unwrap();
    assert_eq!(found(&plain), Obstacle::NotExecutable);
    assert_eq!(found(&plain.join("below")), Obstacle::PathThroughFile);
    assert_eq!(found(scratch.path()), Obstacle::NoFile);
    assert!(explained(&plain, None).contains("chmod +x"));
}

#[test]
fn a_working_directory_that_is_gone_is_blamed_rather_than_the_executable() {
    let scratch = Scratch::new();
    let gone = scratch.path().join("gone");
    let said = explained(Path::new("/bin/true"), Some(&gone));
    assert!(said.starts_with(&format!("the working directory {} does not exist", gone.display())), "{said}");
    let file = scratch.file("file", "");
    assert!(explained(Path::new("/bin/true"), Some(&file)).contains("is no directory"));
}

#[test]
fn an_open_file_is_judged_by_what_is_in_it() {
    let scratch = Scratch::new();
    let made = Made { loader: Some("/no/such/ld.so"), ..Made::native() };
    let path = scratch.file("a", made.bytes());
    let file = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let said = of_spawn(&path, None, Some(&file), Errno::NOENT.into()).to_string();
    assert!(said.contains("/no/such/ld.so"), "{said}");
}

#[test]
fn errors_of_the_system_itself_have_their_sentences() {
    let said = |reason: Errno| of_spawn(Path::new("/bin/true"), None, None, reason.into()).to_string();
    assert!(said(Errno::TXTBSY).contains("open for writing"));
    assert!(said(Errno::TOOBIG).contains("too long"));
    assert!(said(Errno::AGAIN).contains("TasksMax="));
    assert!(said(Errno::NOMEM).contains("no memory"));
    assert!(said(Errno::MFILE).contains("LimitNOFILE="));
    assert!(said(Errno::PERM).contains("execve"));
    let others = of_spawn(Path::new("/bin/true"), None, None, io::Error::other("a limit"));
    assert_eq!(others.to_string(), "a limit");
}

#[test]
fn what_starts_has_no_obstacle() {
    let scratch = Scratch::new();
    let script = scratch.file("script", "#!/usr/bin/env sh\n");
    for path in [PathBuf::from("/bin/true"), script, "/proc/self/exe".into()] {
        assert_eq!(inspect(&path, Some(Path::new("/")), None), Ok(()), "{path:?}");
    }
}
