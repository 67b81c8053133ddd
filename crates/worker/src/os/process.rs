//! The worker's process: its life tied to its parent's, its name, its sudden end.

use rustix::process::{Signal, getpgrp, getpid, kill_process, kill_process_group};
use std::io;

/// Asks the kernel to continue this process if it is stopped when its parent dies. The guard can
/// kill a whole process group, but it has to run to do that.
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
    // A name that cannot be set (it holds a zero byte) is no reason not to work.
    if let Ok(name) = std::ffi::CString::new(&name[..end]) {
        let _ = rustix::thread::set_name(&name);
    }
}

/// Threads have no visible names here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn name_thread(_name: &str) {}

/// Ends this process at once, without destructors. With `whole_group`, which says that the
/// coordinator made the process group, ends all of the group. A wrapper between the two is in it,
/// too.
pub(crate) fn die(whole_group: bool) -> ! {
    let _ = match whole_group {
        true => kill_process_group(getpgrp(), Signal::KILL),
        false => kill_process(getpid(), Signal::KILL),
    };
    // The signal is on its way, and nobody survives it.
    loop {
        std::thread::park();
    }
}
