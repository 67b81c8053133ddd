//! The worker's process: its life tied to its parent's, its name, its sudden end, its standard input.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpgrp, getpid, kill_process, kill_process_group};
use std::io;
use std::time::Duration;

/// The parent's process id; none when it lives in another process namespace.
pub(crate) fn parent() -> Option<u32> {
    u32::try_from(rustix::process::getppid()?.as_raw_pid()).ok()
}

/// Asks the kernel to kill this process when its parent dies. Counts for as long as the calling
/// thread lives.
pub(crate) fn die_with_parent() -> io::Result<()> {
    on_parent_death(Signal::KILL)
}

/// Asks the kernel to continue this process when its parent dies, should it be stopped then: the
/// guard can kill a whole process group, but it has to run to do that.
pub(crate) fn wake_with_parent() -> io::Result<()> {
    on_parent_death(Signal::CONT)
}

#[cfg(target_os = "linux")]
fn on_parent_death(signal: Signal) -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(signal))?)
}

#[cfg(not(target_os = "linux"))]
fn on_parent_death(_signal: Signal) -> io::Result<()> {
    Ok(())
}

/// Gives the calling thread a name, cut to 15 bytes: what `ps` and `top` show if it is the main one.
#[cfg(target_os = "linux")]
pub(crate) fn name_thread(name: &str) {
    let end = (0..=name.len().min(15)).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
    // A name that cannot be set (it holds a zero byte) is no reason not to work.
    if let Ok(name) = std::ffi::CString::new(&name[..end]) {
        let _ = rustix::thread::set_name(&name);
    }
}

/// Threads have no visible names here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn name_thread(_name: &str) {}

/// Ends this process at once, without destructors; with all of its process group where it leads one
/// and `whole_group` says that the group is the coordinator's making.
pub(crate) fn die(whole_group: bool) -> ! {
    let this = getpid();
    let _ = match whole_group && getpgrp() == this {
        true => kill_process_group(this, Signal::KILL),
        false => kill_process(this, Signal::KILL),
    };
    // The signal is on its way, and nobody survives it.
    loop {
        std::thread::park();
    }
}

/// Reads what there is on standard input, past std's buffer, once there is anything.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when nothing comes within `patience`.
pub(crate) fn read_stdin(into: &mut [u8], patience: Duration) -> io::Result<usize> {
    let stdin = io::stdin();
    let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
    loop {
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let outcome = match poll(&mut fds, Some(&timeout)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => rustix::io::read(&stdin, &mut *into),
            Err(error) => Err(error),
        };
        match outcome {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}
