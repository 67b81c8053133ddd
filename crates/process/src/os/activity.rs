//! What the first thread of a process does, from `/proc/<pid>/syscall` and `wchan`: whether it runs, or in which call of
//! the kernel it waits. The caller ensures that the process is the intended one.

use procpool_protocol::engine::Activity;
use rustix::io::Errno;
use rustix::process::Pid;
use std::fs::File;
use std::io::{self, Read};

/// Maximum number of bytes that are read of a file: one line.
const MOST: usize = 256;

/// Returns what the first thread does. The error says that the system does not show it.
pub(crate) fn of(pid: Pid) -> io::Result<Activity> {
    let syscall = read(&format!("/proc/{pid}/syscall"))?;
    let wchan = read(&format!("/proc/{pid}/wchan")).unwrap_or_default();
    parse(&syscall, &wchan).ok_or_else(|| Errno::INVAL.into())
}

fn read(path: &str) -> io::Result<String> {
    let (mut bytes, mut file) = ([0; MOST], File::open(path)?);
    let length = file.read(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// Parses the lines that proc(5) describes. A process chooses nothing in them but the number of its call.
fn parse(syscall: &str, wchan: &str) -> Option<Activity> {
    let first = syscall.split_ascii_whitespace().next()?;
    if first == "running" {
        return Some(Activity::Running);
    }
    let number: i64 = first.parse().ok()?;
    // The kernel shows 0 for what it does not show.
    let wchan = Some(wchan.trim()).filter(|wchan| !wchan.is_empty() && *wchan != "0").map(str::to_owned);
    // -1: it waits, but not in a call.
    let syscall = (number >= 0).then(|| name(number).map_or_else(|| format!("call {number}"), str::to_owned));
    Some(Activity::Blocked { syscall, wchan })
}

macro_rules! names {
    ($($name:ident $constant:ident),+ $(,)?) => {
        &[$((stringify!($name), libc::$constant)),+]
    };
}

/// The calls in which programs wait, on each architecture.
const NAMES: &[(&str, libc::c_long)] = names![
    read SYS_read, write SYS_write, pread64 SYS_pread64, pwrite64 SYS_pwrite64, readv SYS_readv, writev SYS_writev,
    openat SYS_openat, close SYS_close, fsync SYS_fsync, fdatasync SYS_fdatasync, flock SYS_flock, fcntl SYS_fcntl,
    ioctl SYS_ioctl, sendfile SYS_sendfile, splice SYS_splice, copy_file_range SYS_copy_file_range,
    ppoll SYS_ppoll, pselect6 SYS_pselect6, epoll_pwait SYS_epoll_pwait, futex SYS_futex, nanosleep SYS_nanosleep,
    clock_nanosleep SYS_clock_nanosleep, restart_syscall SYS_restart_syscall, rt_sigsuspend SYS_rt_sigsuspend,
    rt_sigtimedwait SYS_rt_sigtimedwait, wait4 SYS_wait4, waitid SYS_waitid, accept SYS_accept, accept4 SYS_accept4,
    connect SYS_connect, recvfrom SYS_recvfrom, recvmsg SYS_recvmsg, recvmmsg SYS_recvmmsg, sendto SYS_sendto,
    sendmsg SYS_sendmsg, sendmmsg SYS_sendmmsg, mmap SYS_mmap, munmap SYS_munmap, mprotect SYS_mprotect,
    madvise SYS_madvise, msync SYS_msync, getrandom SYS_getrandom, execve SYS_execve, clone SYS_clone,
    exit_group SYS_exit_group, io_uring_enter SYS_io_uring_enter, sync SYS_sync, syncfs SYS_syncfs,
    getdents64 SYS_getdents64, newfstatat SYS_newfstatat, statx SYS_statx, unlinkat SYS_unlinkat,
    renameat2 SYS_renameat2, semtimedop SYS_semtimedop, msgrcv SYS_msgrcv, mq_timedreceive SYS_mq_timedreceive,
];

/// Those that newer architectures no longer have.
#[cfg(target_arch = "x86_64")]
const OLD_NAMES: &[(&str, libc::c_long)] = names![
    open SYS_open, stat SYS_stat, poll SYS_poll, select SYS_select, epoll_wait SYS_epoll_wait, pause SYS_pause,
    fork SYS_fork, vfork SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_NAMES: &[(&str, libc::c_long)] = &[];

fn name(number: i64) -> Option<&'static str> {
    let mut all = NAMES.iter().chain(OLD_NAMES);
    all.find(|(_, other)| i64::from(*other) == number).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(syscall: Option<&str>, wchan: Option<&str>) -> Option<Activity> {
        Some(Activity::Blocked { syscall: syscall.map(Into::into), wchan: wchan.map(Into::into) })
    }

    #[test]
    fn the_lines_of_the_kernel_are_read() {
        let line = format!("{} 0x7f 0x80 0x0 0x0 0x0 0x0 0x7ffd 0x7f12\n", libc::SYS_futex);
        assert_eq!(parse("running\n", "0"), Some(Activity::Running));
        assert_eq!(parse(&line, "futex_wait_queue"), blocked(Some("futex"), Some("futex_wait_queue")));
        assert_eq!(parse("-1 0x7ffd 0x7f12\n", "0"), blocked(None, None));
        assert_eq!(parse("99999 0x0", ""), blocked(Some("call 99999"), None));
        for nonsense in ["", "\n", "walking", "7x 0x0"] {
            assert_eq!(parse(nonsense, ""), None, "{nonsense:?}");
        }
    }

    #[test]
    fn a_process_without_such_files_is_an_error() {
        let nobody = Pid::from_raw(i32::MAX).expect("a number");
        assert_eq!(of(nobody).expect_err("no process has it").kind(), io::ErrorKind::NotFound);
    }
}
