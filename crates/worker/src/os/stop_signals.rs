//! The signals that stop a whole service: SIGTERM, SIGINT, SIGHUP.
//!
//! A service manager, a terminal or a process manager sends them to every process of a service. The
//! coordinator decides what they mean for the jobs, so its workers survive them. The guard notices the
//! coordinator's death.
//!
//! A handler instead of "ignore", because each program that a job starts would inherit "ignore".
#![allow(unsafe_code)]

use super::socket::Socket;
use libc::{c_int, c_void, siginfo_t};
use rustix::net::{Shutdown, shutdown};
use rustix::process::getpid;
use std::mem::{self, MaybeUninit};
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Value of `JOBS` if a signal closes no connection.
const NONE: RawFd = -1;

/// The process that the handler is for. Processes that a job forks have the handler, too.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// The connection that the next signal closes for reading.
static JOBS: AtomicI32 = AtomicI32::new(NONE);

/// Whether the first signal is a request to finish, and the next one ends the process.
static DRAINS: AtomicBool = AtomicBool::new(false);

/// Lets this process survive the stop signals. A signal that the process sends itself has its default effect,
/// and so has one that a fork of it receives.
///
/// The action of a signal that the program handles or ignores already is not changed.
pub(crate) fn outlive_stops() {
    take_over(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP]);
}

/// Makes the first SIGTERM or SIGINT close `jobs` for reading, so that the worker finishes the jobs that have
/// arrived and receives no others. The second one has its default effect. SIGHUP always has its default
/// effect.
pub(crate) fn drain_at_stop(jobs: &Socket) {
    JOBS.store(jobs.number(), Ordering::Relaxed);
    // Never closed before this process ends, so that the number always means this connection.
    mem::forget(jobs.clone());
    DRAINS.store(true, Ordering::Relaxed);
    take_over(&[libc::SIGTERM, libc::SIGINT]);
}

/// Returns whether such a signal has arrived.
pub(crate) fn has_been_stopped() -> bool {
    DRAINS.load(Ordering::Relaxed) && JOBS.load(Ordering::Relaxed) == NONE
}

fn take_over(signals: &[c_int]) {
    OWNER.store(getpid().as_raw_pid(), Ordering::Relaxed);
    for &signal in signals {
        if disposition(signal) == Some(libc::SIG_DFL) {
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_stop;
            // Interrupted calls are restarted, and a thread with a small stack may have a separate one for
            // signals.
            dispose(signal, handler as usize, libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK);
        }
    }
}

/// Only makes system calls, and preserves `errno`.
extern "C" fn on_stop(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    let own = getpid().as_raw_pid();
    // SAFETY: with SA_SIGINFO the kernel passes a pointer to the signal's information.
    let info = unsafe { &*info };
    // SAFETY: a code that is not positive says that a process sent it, and then the field is that process's
    // id.
    let is_own = info.si_code <= 0 && unsafe { info.si_pid() } == own;
    if is_own || own != OWNER.load(Ordering::Relaxed) {
        return act_as_ever(signal);
    }
    if DRAINS.load(Ordering::Relaxed) {
        match JOBS.swap(NONE, Ordering::Relaxed) {
            NONE => act_as_ever(signal),
            // SAFETY: `drain_at_stop` ensures that this connection is open as long as the process lives.
            jobs => drop(shutdown(unsafe { BorrowedFd::borrow_raw(jobs) }, Shutdown::Read)),
        }
    }
}

/// Lets the signal have its default effect after this handler has returned.
fn act_as_ever(signal: c_int) {
    dispose(signal, libc::SIG_DFL, 0);
    if let Some(signal) = rustix::process::Signal::from_named_raw(signal) {
        let _ = rustix::process::kill_process(getpid(), signal);
    }
}

fn disposition(signal: c_int) -> Option<libc::sighandler_t> {
    let mut old = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null pointer requests no change, and the other one is to memory of that type.
    let found = unsafe { libc::sigaction(signal, ptr::null(), old.as_mut_ptr()) };
    // SAFETY: the call has initialised it.
    (found == 0).then(|| unsafe { old.assume_init() }.sa_sigaction)
}

fn dispose(signal: c_int, action: libc::sighandler_t, flags: c_int) {
    // SAFETY: it is plain data, for which all zeros are valid: no flags, and no signal in the mask.
    let mut new: libc::sigaction = unsafe { mem::zeroed() };
    new.sa_sigaction = action;
    new.sa_flags = flags;
    // SAFETY: the pointer is to a live local, and a null pointer requests no old action. The action is the
    // default one, or a handler of the type that SA_SIGINFO requires, which makes only calls that are allowed
    // in a handler.
    let _ = unsafe { libc::sigaction(signal, &raw const new, ptr::null_mut()) };
}
