//! A reused process id. The kernel assigns the number after the last one, and in a pid namespace that last
//! number can be set. There, the test can have any number used twice.
#![allow(clippy::print_stdout)] // the outer test reads this output

use super::Process;
use super::tests::sleep;
use procpool_needs::{Need, skip};
use procpool_protocol::Exit;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};

/// Set in the process that has the pid namespace to itself.
const ALONE: &str = "PROCPOOL_TEST_ALONE";

/// Other threads take numbers, too.
const TRIES: usize = 1000;

#[test]
fn a_pid_that_was_reaped_and_belongs_to_another_is_not_signalled() {
    alone("a_pid_that_was_reaped_and_belongs_to_another_is_not_signalled", |process| {
        process.bury();
    });
}

/// As in a host that waits for every child, or ignores SIGCHLD.
#[test]
fn a_pid_that_somebody_else_reaped_and_belongs_to_another_is_neither_signalled_nor_waited_for() {
    let this = "a_pid_that_somebody_else_reaped_and_belongs_to_another_is_neither_signalled_nor_waited_for";
    alone(this, |process| {
        kill_process(process.pid, Signal::KILL).unwrap();
        waitpid(Some(process.pid), WaitOptions::empty()).unwrap();
    });
}

/// Runs the test of this name in a pid namespace of its own. There, it handles a process that was reaped in
/// this way and whose number belongs to another one.
fn alone(this: &str, reap: impl FnOnce(&Process)) {
    if std::env::var_os(ALONE).is_some() {
        return deal_with_one_whose_number_is_another_ones(reap);
    }
    let this = &format!("os::process::reuse::{this}");
    let mut alone = Command::new("unshare");
    alone.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]);
    alone.arg(std::env::current_exe().unwrap()).args([this, "--exact", "--nocapture"]);
    let output = alone.env(ALONE, "1").output().expect("unshare starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.starts_with("unshare:") {
        return skip(Need::Namespaces, format!("this user may make none: {stderr}"));
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("another one lives on"), "{stdout}{stderr}");
}

fn deal_with_one_whose_number_is_another_ones(reap: impl FnOnce(&Process)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let process = runtime.block_on(sleep());
    reap(&process);
    let mut other = with_number(process.pid());
    process.kill_group();
    assert_eq!(process.bury().exit, Exit::Unknown);
    drop(process);
    // The other process dies of the first signal that it receives, which must be this one.
    kill_process(Pid::from_child(&other), Signal::TERM).unwrap();
    assert_eq!(other.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
    println!("another one lives on");
}

/// Returns a process with that id, which leads a group of the same number.
fn with_number(pid: u32) -> Child {
    for _ in 0..TRIES {
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
        let mut command = Command::new("/bin/sleep");
        let mut child = command.arg("1000").stdin(Stdio::null()).process_group(0).spawn().unwrap();
        if child.id() == pid {
            return child;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    panic!("process id {pid} was never given out again");
}
