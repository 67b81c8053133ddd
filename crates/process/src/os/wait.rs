//! `waitid` as the kernel has it, for which no safe wrapper exists: only this call reports the resources that a
//! dead child had used, and only its end.
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
    // wait4 would also take the stops of a child that this process traces, and report them as its end.
    let options = libc::WEXITED | if patience == Patience::Look { libc::WNOHANG } else { 0 };
    let pid = pid.as_raw_nonzero().get();
    loop {
        // SAFETY: `siginfo_t` is plain numbers, for which all zeros are valid.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `rusage` is plain numbers, for which all zeros are valid.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to live locals of the types that the system call writes.
        let reaped = unsafe {
            libc::syscall(libc::SYS_waitid, libc::P_PID, pid, &raw mut info, options, &raw mut usage)
        };
        if reaped == -1 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
            continue;
        }
        // SAFETY: the call has succeeded, and filled in the members for a child or left all zero.
        let child = unsafe { info.si_pid() };
        // SAFETY: as above.
        let status = unsafe { info.si_status() };
        return Ok((child != 0).then(|| describe(info.si_code, status, &usage)));
    }
}

fn describe(code: libc::c_int, status: libc::c_int, usage: &libc::rusage) -> Reaped {
    let exit = match code {
        libc::CLD_EXITED => Exit::Code(status),
        _ => Exit::by_signal(status, code == libc::CLD_DUMPED),
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
