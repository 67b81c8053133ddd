//! Calls that only the operating system offers; the one module that depends on the platform. Knows
//! no frames.
//!
//! Linux is the tested platform. On other Unixes the kernel does not report a parent's death: there
//! only the guard's end of file ends an orphaned worker.

mod process;
mod socket;
mod stop_signals;
mod usage;

pub(crate) use process::{die, name_thread, wake_with_parent};
pub(crate) use socket::Socket;
pub(crate) use stop_signals::{drain_at_stop, has_been_stopped, outlive_stops};
pub(crate) use usage::{peak_memory, thread_cpu_time};
