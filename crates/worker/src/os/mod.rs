//! Calls that only the operating system offers. This is the only module that depends on the platform. Does
//! not: know frames.
//!
//! Linux is the tested platform. On other Unixes the kernel does not report a parent's death. There, only the
//! guard's end of file ends an orphaned worker.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod fatal_signals;
mod hangup;
mod process;
mod sibling;
mod socket;
mod stop_signals;
mod usage;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) use fatal_signals::record_crashes;
pub(crate) use hangup::hangs_up;
pub(crate) use process::{die, name_thread, wake_with_parent};
pub(crate) use sibling::{
    Side, flush_c_buffers, fork_sibling, is_in_the_way, is_single_threaded, is_thread, lead_session, place,
    reserve, set_aside, thread_id, threads, vacate,
};
pub(crate) use socket::Socket;
pub(crate) use stop_signals::{drain_at_stop, has_been_stopped, outlive_stops};
pub(crate) use usage::{peak_memory, thread_cpu_time};

/// Crashes are not recorded on this platform.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(crate) fn record_crashes(_cells: &'static [std::sync::atomic::AtomicU8]) {}
