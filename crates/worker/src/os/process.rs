//! The worker's process: continuing it at its parent's death, its name, its immediate end.

use rustix::process::{Signal, getpgrp, getpid, kill_process, kill_process_group};
use std::io;

/// Asks the kernel to continue this process if it is stopped when its parent dies. The guard can kill a whole
/// process group, but must run to do that.
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

/// Gives the calling thread a name, cut to 15 bytes. `ps` and `top` show it if it is the main
/// thread.
#[cfg(target_os = "linux")]
pub(crate) fn name_thread(name: &str) {
    let end = (0..=name.len().min(15)).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
    // A name that cannot be set (it holds a zero byte) does not prevent the work.
    if let Ok(name) = std::ffi::CString::new(&name[..end]) {
        let _ = rustix::thread::set_name(&name);
    }
}

/// Threads have no visible names here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn name_thread(_name: &str) {}

/// Ends this process at once, without destructors. With `whole_group`, ends the whole process group, which
/// the coordinator has created. The group includes a wrapper between the two.
pub(crate) fn die(whole_group: bool) -> ! {
    let _ = match whole_group {
        true => kill_process_group(getpgrp(), Signal::KILL),
        false => kill_process(getpid(), Signal::KILL),
    };
    // The signal has been sent, and no process survives it.
    loop {
        std::thread::park();
    }
}
