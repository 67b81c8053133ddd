//! Changes the signal mask and a signal's action, for which no safe wrapper exists.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Unblocks SIGTERM, SIGINT and SIGHUP if the starter of this process has blocked them: only SIGKILL could
/// stop such a service. Call it before any other thread is started, because threads inherit the mask.
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

/// Prevents SIGXFSZ from ending this process. If a file may not grow further (`ulimit -f`), the kernel sends
/// that signal in addition to the error. Its default action would kill the process because of a payload's
/// shared memory, or because of a log.
///
/// The signal is caught and not ignored: `exec` restores the default action for the next program. Workers
/// have all default actions anyway.
///
/// # Errors
/// When the system refuses.
pub fn survive_file_size_signal() -> io::Result<()> {
    // SAFETY: an action is numbers and an address, all of which may be zero; its mask is then empty.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the action is initialised, its function may be called at any moment, and a null pointer
    // requests no old one.
    let done = unsafe { libc::sigaction(libc::SIGXFSZ, &raw const action, ptr::null_mut()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Does nothing, because the error that comes with the signal is enough.
extern "C" fn nothing(_signal: libc::c_int) {}
