//! Everything that needs a Unix kernel: processes and sockets, each behind a small type.
//!
//! Only Linux is tested. Another platform needs another set of these files with the same types.

pub(crate) mod activity;
pub(crate) mod alive;
pub(crate) mod allocator;
pub(crate) mod attached_process;
mod birthplace;
mod cgroup;
pub(crate) mod fork;
mod group;
pub(crate) mod kin;
pub(crate) mod limits;
mod maker;
pub(crate) mod memory_watch;
pub(crate) mod oom_kills;
pub(crate) mod open_files;
mod orphans;
mod own_table;
pub(crate) mod page;
mod peer;
mod posix_spawn;
pub(crate) mod process;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod spawn;
pub(crate) mod spawners;
pub(crate) mod trace;
pub(crate) mod usage;
mod wait;
mod worker_cgroup;
pub(crate) mod worker_process;
