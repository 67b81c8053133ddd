//! `fork` and the output of C code for test programs, which no safe interface offers.
#![allow(unsafe_code)]

use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};
use std::ffi::CStr;
use std::io;

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Side {
    /// The new one.
    Child,
    /// The old one.
    Parent(Forked),
}

/// A child that was forked off.
#[derive(Debug)]
pub struct Forked(Pid);

/// Makes a copy of this process that has this thread alone.
///
/// # Errors
/// When the system refuses.
pub fn fork() -> io::Result<Side> {
    // SAFETY: the child goes on with code that allocates, which POSIX promises for a process of one thread
    // only. The C library resets its own locks in the child; this program's other threads are
    // procpool's, which wait, and hold no lock of std, whenever it has nothing for them to do.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => Ok(Side::Child),
        pid => Pid::from_raw(pid)
            .filter(|_| pid > 0)
            .map(Forked)
            .map(Side::Parent)
            .ok_or_else(io::Error::last_os_error),
    }
}

/// Writes a line to the standard output of C code, which buffers it where that is a pipe.
pub fn say_in_c(line: &CStr) {
    // SAFETY: the pointer is to a string that ends with a zero byte.
    unsafe { libc::puts(line.as_ptr()) };
}

impl Forked {
    /// Waits for its end, and gives its exit code if it had one.
    ///
    /// # Errors
    /// When somebody else has waited for it.
    pub fn wait(&self) -> io::Result<Option<i32>> {
        let status = waitpid(Some(self.0), WaitOptions::empty())?;
        Ok(status.map(|(_, status)| status).and_then(WaitStatus::exit_status))
    }
}
