//! The executable as a coordinator meets it: a process that connects, works, and never outlives the one
//! that spawned it.

mod coordinator;
mod orphan;

use coordinator::{Companion, Fib, HANG, Place, SIGKILL, TOKEN, Wire, command, outcome, stderr};
use procpool_protocol::Payload;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{ENV_COORDINATOR, Refused};
use procpool_protocol::message::{Status, json_frame};
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Instant;

#[test]
fn it_works_until_there_are_no_more_jobs() {
    let mut fib = Fib::hire(true);
    let name = fs::read_to_string(format!("/proc/{}/comm", fib.child.id())).unwrap();
    assert_eq!(name, "fib\n");
    fib.give(1, 20);
    assert_eq!(fib.done(), (Status::Ok, Payload::json("6765")));
    fib.give(2, 94);
    let (Status::Failed(failure), _) = fib.done() else { panic!() };
    assert_eq!(failure.code(), "too_large");
    fib.jobs.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(fib.child.wait().unwrap().code(), Some(0));
}

#[test]
fn it_exits_when_it_is_asked_to_shut_down() {
    let mut fib = Fib::hire(true);
    fib.control.send(&Frame::new(Kind::Shutdown, 0, ""));
    assert_eq!(fib.child.wait().unwrap().code(), Some(0));
}

#[test]
fn it_takes_its_process_group_along_when_idle() {
    let mut fib = Fib::hire(true);
    let mut companion = Companion::of(&fib);
    // The jobs connection breaks first, as it may when a process dies.
    fib.jobs.stream.shutdown(Shutdown::Both).unwrap();
    fib.control.stream.shutdown(Shutdown::Both).unwrap();
    assert_eq!(fib.child.wait().unwrap().signal(), SIGKILL);
    assert!(!companion.answers());
}

#[test]
fn it_takes_its_process_group_along_amid_a_job() {
    let mut fib = Fib::hire(true);
    let mut companion = Companion::of(&fib);
    fib.give(1, 93);
    fib.control.stream.shutdown(Shutdown::Both).unwrap();
    assert_eq!(fib.child.wait().unwrap().signal(), SIGKILL);
    assert!(!companion.answers());
}

#[test]
fn it_spares_a_process_group_that_is_not_its_coordinators() {
    let mut fib = Fib::hire(false);
    let mut companion = Companion::of(&fib);
    fib.give(1, 93);
    fib.control.stream.shutdown(Shutdown::Both).unwrap();
    assert_eq!(fib.child.wait().unwrap().signal(), SIGKILL);
    assert!(companion.answers());
}

#[test]
fn a_control_frame_that_is_none_ends_it_with_a_word() {
    let mut fib = Fib::hire(true);
    fib.give(1, 93);
    fib.control.send(&Frame::new(Kind::Hello, 0, ""));
    assert_eq!(fib.child.wait().unwrap().code(), Some(5));
    let mut text = String::new();
    fib.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("broke the protocol: it sent Hello where a control frame was expected"), "{text}");
}

#[test]
fn another_parent_than_the_coordinator_is_no_parent() {
    let output = outcome(command(Path::new("/nowhere"), 1), TOKEN);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("a wrapper script started the worker without `exec`"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn without_the_coordinators_pid_it_does_not_start() {
    let mut command = command(Path::new("/nowhere"), 1);
    command.env_remove(ENV_COORDINATOR);
    let output = outcome(command, TOKEN);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("PROCPOOL_COORDINATOR"), "{}", stderr(&output));
}

#[test]
fn without_a_token_it_does_not_connect() {
    let output = outcome(command(Path::new("/nowhere"), std::process::id()), b"abc\n");
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("failed to read the token from standard input"), "{}", stderr(&output));
}

#[test]
fn a_coordinator_that_is_not_there_is_named() {
    let output = outcome(command(Path::new("/nowhere/at/all"), std::process::id()), TOKEN);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("coordinator at /nowhere/at/all"), "{}", stderr(&output));
}

#[test]
fn a_refusal_ends_it_with_the_coordinators_words() {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket()).unwrap();
    let mut child = command(&place.socket(), std::process::id()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(TOKEN).unwrap();
    let mut jobs = Wire::accept(&listener);
    let refused = Refused { reason: "token".into(), detail: "never heard of it".into() };
    jobs.answer(&json_frame(Kind::Refused, &refused).unwrap());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let text = stderr(&output);
    assert!(text.contains("refused this worker (token): never heard of it"), "{text}");
    assert!(!text.contains("0123456789abcdef"), "the token is in {text}");
}

#[test]
fn an_idle_worker_is_small_and_waits_in_the_kernel() {
    let mut fib = Fib::hire(true);
    fib.give(1, 1);
    fib.done();
    let pid = fib.child.id();
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Private_Dirty:")).unwrap();
    let private: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(private <= 2048, "{private} KiB:\n{rollup}");
    // Both threads wait for bytes: no timer, no poll, nothing that would ever wake them.
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let file = thread.unwrap().path().join("syscall");
        let (mut call, started) = (String::new(), Instant::now());
        while !READS.contains(&call.split(' ').next().unwrap()) {
            assert!(started.elapsed() < HANG, "it is in {call}");
            std::thread::yield_now();
            call = fs::read_to_string(&file).unwrap();
        }
    }
}

/// The numbers of the system calls `read`, `recvfrom` and `recvmsg`, on x86-64 and on arm64.
const READS: [&str; 6] = ["0", "45", "47", "63", "207", "212"];
