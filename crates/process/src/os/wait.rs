//! `wait4`, for which no safe wrapper exists. Only this call reports the resources that a dead child had
//! used.
#![allow(unsafe_code)]

use procpool_protocol::{Exit, MemoryCount};
use rustix::process::Pid;
use std::io;
use std::time::Duration;

/// A reaped child.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reaped {
    /// How it ended.
    pub(crate) exit: Exit,
    /// Maximum resident memory of the child, or of a child that it waited for, in bytes.
    pub(crate) peak_memory: Option<u64>,
    /// Time on a processor, user and system.
    pub(crate) cpu_time: Duration,
    /// These figures may be those of its children.
    pub(crate) had_children: bool,
    /// The kernel's OOM killer killed it.
    pub(crate) oom_killed: bool,
    /// It was killed above the limit of its memory, which was counted like this.
    pub(crate) above_limit: Option<MemoryCount>,
}

impl Reaped {
    /// Returns the values for a child that other code reaped.
    pub(crate) fn unknown() -> Self {
        Self {
            exit: Exit::Unknown,
            peak_memory: None,
            cpu_time: Duration::ZERO,
            had_children: true,
            oom_killed: false,
            above_limit: None,
        }
    }
}

/// Whether to wait for the death or only to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Return at once.
    Look,
    /// Block until the child is dead.
    Wait,
}

/// Reaps the child `pid`. Returns `None` if it still lives, which happens only with
/// [`Patience::Look`].
///
/// The peak of memory is the kernel's figure, which begins with this process's own: see
/// [`Usage`](super::usage::Usage).
pub(crate) fn reap(pid: Pid, patience: Patience) -> io::Result<Option<Reaped>> {
    let options = if patience == Patience::Look { libc::WNOHANG } else { 0 };
    let mut status = 0;
    loop {
        // SAFETY: `rusage` is plain numbers, for which all zeros are valid.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to live locals of the types that wait4 writes.
        let reaped = unsafe { libc::wait4(pid.as_raw_nonzero().get(), &mut status, options, &mut usage) };
        match reaped {
            0 => return Ok(None),
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            _ => return Ok(Some(describe(status, &usage))),
        }
    }
}

fn describe(status: libc::c_int, usage: &libc::rusage) -> Reaped {
    let exit = if libc::WIFEXITED(status) {
        Exit::Code(libc::WEXITSTATUS(status))
    } else {
        Exit::by_signal(libc::WTERMSIG(status), libc::WCOREDUMP(status))
    };
    let kibibytes = u64::try_from(usage.ru_maxrss).unwrap_or(0);
    Reaped {
        exit,
        peak_memory: kibibytes.checked_mul(1024),
        cpu_time: duration(usage.ru_utime) + duration(usage.ru_stime),
        had_children: true,
        oom_killed: false,
        above_limit: None,
    }
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
