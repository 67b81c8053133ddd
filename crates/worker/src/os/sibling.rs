//! Forks a child of this process's parent: a sibling, which has a copy of this process's memory.
//!
//! The parent is the coordinator, so that the new worker is its own child as every spawned one is.
#![allow(unsafe_code)]

use procpool_protocol::birth::OUTPUT_FD;
use rustix::io::{dup2, fcntl_dupfd_cloexec};
use rustix::process::RawPid;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::ptr;

/// Descriptors of a child wait at numbers from this one on. Lower ones are a worker's own.
const WAITING: RawFd = OUTPUT_FD + 1;

/// The side on which [`fork_sibling`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// This process goes on as it was.
    Parent,
    /// This is the new process. It has one thread.
    Child,
}

/// Forks. No handlers of `pthread_atfork` run: nothing else runs in a process with one thread.
///
/// The caller has made sure that there is no other thread, whose locks would stay locked in the child.
pub(crate) fn fork_sibling() -> io::Result<Side> {
    let mut tid_address: *mut libc::c_void = ptr::null_mut();
    // SAFETY: the kernel writes one pointer to the local. It is the place where the C library keeps the main
    // thread's id. A kernel without this call leaves it null.
    unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut tid_address) };
    let mut flags = libc::CLONE_PARENT | libc::SIGCHLD;
    if !tid_address.is_null() {
        // As glibc's own `fork` does, so that it knows the child's thread by its id. Other C libraries register
        // another address, and their workers do not offer to fork.
        flags |= libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
    }
    let none = ptr::null_mut::<libc::c_void>();
    // SAFETY: without a new stack and without CLONE_VM, the call is a fork: the child has a copy of everything,
    // and returns here on a copy of this stack. The address is one that the C library has registered itself. It
    // stands in two places, since architectures disagree about the order of the last two arguments, and the other
    // one (the address of thread-local storage) is not read without CLONE_SETTLS.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, tid_address, tid_address) };
    match pid {
        0 => Ok(Side::Child),
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(Side::Parent),
    }
}

/// Makes the calling process the leader of a session and a process group of its own.
pub(crate) fn lead_session() -> io::Result<()> {
    rustix::process::setsid().map(drop).map_err(Into::into)
}

/// Returns whether a descriptor has a number that is a worker's own, and with which something else is replaced.
pub(crate) fn is_in_the_way(descriptor: BorrowedFd<'_>) -> bool {
    descriptor.as_raw_fd() < WAITING
}

/// Copies a descriptor to a number that no worker uses.
pub(crate) fn set_aside(descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fcntl_dupfd_cloexec(descriptor, WAITING).map_err(Into::into)
}

/// Opens `/dev/null` at each of these numbers that is free, so that nothing else in this process gets them.
/// Ascending numbers.
pub(crate) fn reserve(numbers: &[RawFd]) -> io::Result<()> {
    let null = set_aside(std::fs::File::open("/dev/null")?.as_fd())?;
    for &number in numbers {
        let got = fcntl_dupfd_cloexec(&null, number)?;
        if got.as_raw_fd() == number {
            // Kept open for good.
            mem::forget(got);
        }
    }
    Ok(())
}

/// Puts a descriptor in the place of this number, and closes what was there. The copy is inherited by programs.
pub(crate) fn place(descriptor: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: the number is one of a worker's own, which a child takes over from its template. The child forgets
    // the owner of what the template had there, so that nothing else closes it.
    let mut there = mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
    dup2(descriptor, &mut there).map_err(Into::into)
}

/// Closes a number that was [reserved](reserve), in a child that has nothing for it.
pub(crate) fn vacate(number: RawFd) {
    // SAFETY: the template has opened it for this purpose and has forgotten its owner.
    drop(unsafe { OwnedFd::from_raw_fd(number) });
}

/// Writes out what C code has left in its buffers, so that a child does not write it again.
pub(crate) fn flush_c_buffers() {
    // SAFETY: a null pointer stands for all streams.
    unsafe { libc::fflush(ptr::null_mut()) };
}

/// Returns whether this process has one thread.
pub(crate) fn is_single_threaded() -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    // The directory has a link for each thread, beside its name and its own `.`.
    Ok(std::fs::metadata("/proc/self/task")?.nlink() == 3)
}

/// Returns the calling thread's id.
pub(crate) fn thread_id() -> RawPid {
    rustix::thread::gettid().as_raw_pid()
}

/// Returns whether this process has a thread of this id.
pub(crate) fn is_thread(id: RawPid) -> bool {
    Path::new(&format!("/proc/self/task/{id}")).exists()
}

/// Returns the names of this process's threads.
pub(crate) fn threads() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let name = std::fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
        names.push(name.trim_end().to_owned());
    }
    Ok(names)
}
