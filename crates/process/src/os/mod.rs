//! Everything that needs a Unix kernel: processes and sockets, each behind a small type.
//!
//! Linux is what is tested. Another platform is another set of these files with the same types.

pub(crate) mod alive;
mod cgroup;
mod descriptors;
mod group;
mod limits;
pub(crate) mod page;
pub(crate) mod process;
pub(crate) mod socket;
pub(crate) mod socket_dir;
pub(crate) mod usage;
mod wait;
mod worker_cgroup;
