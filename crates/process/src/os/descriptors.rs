//! Keeping the descriptors that this process itself inherited away from its workers.
#![allow(unsafe_code)]

use std::io;

/// Marks every descriptor above standard error close-on-exec.
///
/// What this process opens by itself is marked from birth, by std's care. What it was born with (a
/// listening socket from a service manager, a build's jobserver) is not, and would stay open in every
/// worker, and in what that starts, for as long as it lives.
pub(crate) fn keep_from_children() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    const LAST: libc::c_uint = libc::c_uint::MAX;
    // SAFETY: close_range with CLOSE_RANGE_CLOEXEC closes nothing. It sets a flag on descriptors, which
    // invalidates none of them, and takes no pointers.
    let result = unsafe { libc::syscall(libc::SYS_close_range, FIRST, LAST, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
