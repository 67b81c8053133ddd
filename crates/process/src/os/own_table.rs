//! A table of descriptors that belongs to one thread.
//!
//! A child begins with a copy of the table of the thread that spawns it, and closes every descriptor that it
//! must not have. In a service with thousands of connections, that took longer than all other steps of a
//! start, and grew with the number of workers. A thread's own table is almost empty.
//!
//! On such a thread, the number of a descriptor means another file than elsewhere in this process. Therefore
//! it must not use or drop anything of other threads, and must not log. Nor may a signal handler of the host
//! run there, which may write to a pipe. The kernel would choose just this thread for the SIGCHLD of a child
//! that it has spawned.
#![allow(unsafe_code)]

use super::posix_spawn::FIRST_FREE;
use rustix::fs::{Mode, OFlags};
use rustix::io::fcntl_dupfd_cloexec;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Gives the calling thread a table of its own, with a copy of one descriptor and no other usable one. From
/// then on, descriptors that the thread receives have numbers from [`FIRST_FREE`] on.
///
/// # Errors
/// When the system refuses. Then the thread still has its former table, or must end.
pub(super) fn separate(kept: RawFd) -> io::Result<OwnedFd> {
    let kept_number = u32::try_from(kept).map_err(io::Error::other)?;
    block_signals()?;
    // The kernel copies only the lower numbers.
    close_range(kept_number + 1, u32::MAX, libc::CLOSE_RANGE_UNSHARE)?;
    if let Some(last) = kept_number.checked_sub(1) {
        close_range(0, last, 0)?;
    }
    // SAFETY: the number is open in this table, which belongs to this thread, and no value here owns it yet.
    let kept = unsafe { OwnedFd::from_raw_fd(kept) };
    let kept = fcntl_dupfd_cloexec(kept, FIRST_FREE)?;
    // The numbers below belong to a child. A received descriptor gets the lowest free number.
    let null = rustix::fs::open(c"/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    while null.as_raw_fd() < FIRST_FREE {
        let another = fcntl_dupfd_cloexec(&null, 0)?;
        if another.as_raw_fd() >= FIRST_FREE {
            break;
        }
        // It stays open as long as the thread lives.
        std::mem::forget(another);
    }
    std::mem::forget(null);
    Ok(kept)
}

/// Blocks every signal for the calling thread, permanently.
fn block_signals() -> io::Result<()> {
    let mut all = MaybeUninit::uninit();
    // SAFETY: the pointer is to memory of that type, which the call initialises.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: the set is initialised, and the call writes to none where the last pointer is null.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Closes the numbers from `first` to `last`. Not every C library has a function for that.
fn close_range(first: u32, last: u32, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: the call takes no pointers, and no value owns the closed descriptors. Either the table is being
    // replaced by a copy that is not used yet, or it is such a copy.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::{Errno, read, write};
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::os::fd::AsFd;
    use std::thread;

    #[test]
    fn a_thread_has_what_it_kept_and_others_keep_what_they_have() {
        let (out, into) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (number, other) = (into.as_raw_fd(), out.as_raw_fd());
        let seen = thread::spawn(move || {
            let kept = separate(number).unwrap();
            write(&kept, b"x").unwrap();
            // A descriptor of the other table is not open here.
            // SAFETY: the call only checks whether it is open, and does not close it.
            let other = unsafe { std::os::fd::BorrowedFd::borrow_raw(other.max(FIRST_FREE + 20)) };
            let is_open = rustix::io::fcntl_getfd(other) != Err(Errno::BADF);
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let blocked = status.lines().find(|line| line.starts_with("SigBlk:")).unwrap().to_owned();
            (kept.as_raw_fd() >= FIRST_FREE, is_open, blocked)
        });
        let (is_apart, is_open, blocked) = seen.join().unwrap();
        assert!(is_apart && !is_open);
        // All but SIGKILL, SIGSTOP and the two that the C library uses itself.
        assert_eq!(blocked, "SigBlk:\tfffffffe7ffbfeff", "a handler would find strangers behind its numbers");
        // The thread's copy was closed at its end. Nothing was closed here.
        assert_eq!(read(&out, &mut [0; 8]).unwrap(), 1);
        write(into.as_fd(), b"y").unwrap();
        drop(into);
        assert_eq!(read(&out, &mut [0; 8]).unwrap(), 1);
        assert_eq!(read(&out, &mut [0; 8]).unwrap(), 0, "somebody else holds the writing end");
    }
}
