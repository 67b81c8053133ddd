//! What only the operating system can do; the one module that knows a platform. Knows no frames.
//!
//! Linux is the tested one. On other Unixes the kernel does not tell of a parent's death: there the
//! guard's end of file alone ends an orphaned worker.

mod process;
mod socket;
mod stop_signals;
mod usage;

pub(crate) use process::{die, name_thread, wake_with_parent};
pub(crate) use socket::Socket;
pub(crate) use stop_signals::{drain_at_stop, has_been_stopped, outlive_stops};
pub(crate) use usage::{peak_memory, thread_cpu_time};
