//! The signal mask, which no safe wrapper changes.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Lets SIGTERM, SIGINT and SIGHUP through that the starter of this process has blocked: such a service
/// could not be stopped but by SIGKILL. To be called before any other thread is started, since threads
/// inherit the mask.
///
/// # Errors
/// When the system refuses.
pub fn unblock_stop_signals() -> io::Result<()> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the pointer is to memory of that type, which the call initialises.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: it is initialised.
    let mut set = unsafe { set.assume_init() };
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: the set is initialised, and these signals exist.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    // SAFETY: the set is initialised, and a null pointer asks for no old mask.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
