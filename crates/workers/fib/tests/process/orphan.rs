//! A worker whose coordinator is a process that really dies.

use crate::coordinator::{Fib, HANG};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write, stderr, stdin};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Set in the environment of the process that plays the coordinator.
const ROLE: &str = "PROCPOOL_TEST_COORDINATOR";

/// Not a test of its own: the coordinator of the one below, which runs this executable again.
#[test]
fn the_coordinator_that_will_be_killed() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    // The worker and its companion inherit standard error, so it ends when all three are dead.
    let mut fib = Fib::hire_with(true, Stdio::inherit());
    let group = i32::try_from(fib.child.id()).unwrap();
    let mut companion = Command::new("sleep").arg("3600").process_group(group).spawn().unwrap();
    fib.give(1, 93);
    writeln!(stderr(), "\nworker {group}").unwrap();
    // Until it is killed, or the test that started it is.
    stdin().read_to_end(&mut Vec::new()).unwrap();
    companion.kill().unwrap();
    companion.wait().unwrap();
}

#[test]
fn even_a_stopped_worker_takes_its_process_group_along_when_its_coordinator_is_killed() {
    let mut coordinator = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "orphan::the_coordinator_that_will_be_killed", "--nocapture"])
        .env(ROLE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(coordinator.stderr.take().unwrap()).lines().map(Result::unwrap);
    let worker: i32 = lines.find_map(|line| line.strip_prefix("worker ")?.parse().ok()).unwrap();
    kill_process(Pid::from_raw(worker).unwrap(), Signal::STOP).unwrap();
    await_stop(worker);
    coordinator.kill().unwrap();
    coordinator.wait().unwrap();
    let (all_dead, end_of_output) = mpsc::channel();
    thread::spawn(move || all_dead.send(lines.count()));
    let end = end_of_output.recv_timeout(HANG);
    if end.is_err() {
        // Leave nobody behind, least of all after a failure.
        let _ = rustix::process::kill_process_group(Pid::from_raw(worker).unwrap(), Signal::KILL);
    }
    assert!(end.is_ok(), "the worker or its companion lives on");
}

/// Returns when the process is stopped: its state, behind the name in brackets, is `T`.
fn await_stop(pid: i32) {
    let started = Instant::now();
    while !fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ") {
        assert!(started.elapsed() < HANG, "process {pid} does not stop");
        thread::yield_now();
    }
}
