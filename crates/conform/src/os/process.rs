//! One process of the kit's own: its end, its signals, and what `/proc` tells about it and its children.

use crate::os::spawn::spawn;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, kill_process_group, pidfd_open, waitpid,
};
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The variables that a pool's workers inherit. `env NAME=VALUE` in front of a command sets others.
const INHERITED: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "LLVM_PROFILE_FILE",
];

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl End {
    /// Returns whether it was SIGKILL.
    pub(crate) fn is_kill(self) -> bool {
        self == Self::Signal(Signal::KILL.as_raw())
    }
}

impl fmt::Display for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(out, "exit code {code}"),
            Self::Signal(number) => write!(out, "signal {number}"),
        }
    }
}

/// A process that this one spawned. Killed with its process group when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    handle: OwnedFd,
    end: Option<End>,
}

impl Process {
    /// Starts a command in a session of its own, with exactly these descriptors.
    pub(crate) fn start(command: &[OsString], descriptors: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let is_inherited = |key: &OsString| {
            key.to_str().is_some_and(|key| INHERITED.contains(&key) || key.starts_with("LC_"))
        };
        let env: Vec<_> = std::env::vars_os().filter(|(key, _)| is_inherited(key)).collect();
        let pid = spawn(command, &env, descriptors)?;
        let handle = pidfd_open(pid, PidfdFlags::empty()).inspect_err(|_| {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        })?;
        Ok(Self { pid, handle, end: None })
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for its end, for at most `patience`.
    pub(crate) fn end_within(&mut self, patience: Duration) -> io::Result<Option<End>> {
        if self.end.is_none() && is_readable(self.handle.as_fd(), patience)? {
            let status = waitpid(Some(self.pid), WaitOptions::empty())?.map(|(_, status)| status);
            self.end = status.and_then(|status| {
                let code = status.exit_status().map(End::Code);
                code.or_else(|| status.terminating_signal().map(End::Signal))
            });
        }
        Ok(self.end)
    }

    /// Returns the processor time that it has used, in ticks.
    pub(crate) fn ticks(&self) -> Option<u64> {
        let fields = stat(self.pid)?;
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(number(11)? + number(12)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After its end, the group may still have members, and its number is not used again before they are gone.
        let _ = kill_process_group(self.pid, Signal::KILL);
        if self.end.is_none() {
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

/// Returns whether a process exists and is no zombie.
pub(crate) fn is_alive(pid: Pid) -> bool {
    stat(pid).is_some_and(|fields| !matches!(fields[0].as_str(), "Z" | "X"))
}

/// Waits until a process is gone, for at most `patience`. Returns whether it is.
pub(crate) fn is_gone_within(pid: Pid, patience: Duration) -> bool {
    eventually(patience, || !is_alive(pid))
}

/// Kills a process that the worker started.
pub(crate) fn kill(pid: Pid) {
    let _ = kill_process(pid, Signal::KILL);
}

/// Stops a process. Returns whether it has stopped.
pub(crate) fn stop(pid: Pid, patience: Duration) -> io::Result<bool> {
    kill_process(pid, Signal::STOP)?;
    Ok(eventually(patience, || stat(pid).is_some_and(|fields| fields[0] == "T")))
}

/// Asks until the answer is yes, for at most `patience`. Returns the last answer.
pub(crate) fn eventually(patience: Duration, mut question: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + patience;
    loop {
        if question() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        // sleep: the pause between two questions.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns the fields of `/proc/PID/stat` from the state on.
fn stat(pid: Pid) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// Waits until a descriptor has something to read, for at most `patience`.
pub(crate) fn is_readable(descriptor: BorrowedFd<'_>, patience: Duration) -> io::Result<bool> {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut fds = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) if Instant::now() < until => {}
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}
