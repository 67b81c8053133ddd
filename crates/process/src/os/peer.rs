//! The process at the other end of a connection, as a pidfd by `SO_PEERPIDFD`, for which no safe wrapper
//! exists. The pid alone may belong to another process by the time of its use.
#![allow(unsafe_code)]

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Returns a pidfd of the process that connected. Returns `None` where the system does not report
/// it: before Linux 6.5, or if the process is dead.
pub(super) fn pidfd(socket: BorrowedFd<'_>) -> Option<OwnedFd> {
    let mut pidfd: libc::c_int = -1;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).ok()?;
    // SAFETY: the socket is open while it is borrowed. Both pointers are to live locals, and `length` is the
    // size of the first.
    let found = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut pidfd).cast(),
            &raw mut length,
        )
    };
    // SAFETY: the system has just created this descriptor for this process, and no other code knows it.
    (found == 0 && pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) })
}
