//! The executable as a coordinator meets it: a process that takes the connections that it was born with,
//! works, and never outlives the one that spawned it.

mod coordinator;
mod orphan;

use coordinator::{Companion, Fib, HANG, SIGKILL, opening, outcome, stderr};
use procpool_protocol::Payload;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::Refused;
use procpool_protocol::message::{Status, json_frame};
use procpool_protocol::preamble::Preamble;
use std::fs;
use std::io::Read;
use std::net::Shutdown;
use std::os::unix::process::ExitStatusExt;
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
fn sockets_without_a_coordinators_preamble_make_no_worker() {
    for first in ["", "GET / HTTP/1.1\r\n", "PROCPOO"] {
        let output = outcome(first.as_bytes());
        assert_eq!(output.status.code(), Some(2), "{first}");
        assert!(stderr(&output).contains("a procpool worker for job `fib`"), "{}", stderr(&output));
    }
}

#[test]
fn a_coordinator_that_hangs_up_before_it_has_said_what_the_worker_is_for_is_named() {
    let output = outcome(&Preamble::ours().to_bytes());
    assert_eq!(output.status.code(), Some(4));
    let text = stderr(&output);
    assert!(text.contains("failed to shake hands with the coordinator: it closed the connection"), "{text}");
}

#[test]
fn a_coordinator_of_another_version_is_told_apart() {
    let output = outcome(&Preamble { lowest: 1, highest: 1, features: 0 }.to_bytes());
    assert_eq!(output.status.code(), Some(4));
    let text = stderr(&output);
    assert!(text.contains("the other side speaks protocol version 1 to 1, this side 2 to 2"), "{text}");
}

#[test]
fn a_refusal_ends_it_with_the_coordinators_words() {
    let refused = Refused { reason: "contract".into(), detail: "never heard of it".into() };
    let output = outcome(&opening(&json_frame(Kind::Refused, &refused).unwrap()));
    assert_eq!(output.status.code(), Some(4));
    let text = stderr(&output);
    assert!(text.contains("refused this worker (contract): never heard of it"), "{text}");
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
