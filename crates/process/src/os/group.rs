//! SIGKILL to a process group by the pidfd of its leader, for which no safe wrapper exists. A pidfd continues
//! to mean the same process, even after the leader was reaped elsewhere and its number was reused.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `PIDFD_SIGNAL_PROCESS_GROUP`, available from Linux 6.9 on.
const PROCESS_GROUP: libc::c_uint = 1 << 2;

/// Sends SIGKILL to all processes in the group that the process behind `pidfd` leads, dead or alive. Returns
/// `false` if the system does not support that. An empty group is not an error.
pub(super) fn kill(pidfd: BorrowedFd<'_>) -> bool {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open while it is borrowed, and the call accepts a null pointer for the
    // signal's details as "none".
    let sent = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, no_info, PROCESS_GROUP)
    };
    let is_unknown = |error: io::Error| matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS));
    sent == 0 || !is_unknown(io::Error::last_os_error())
}
