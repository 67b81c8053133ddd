//! The soft limit of open files. A service raises its own, because it holds a connection for each client. Its
//! workers get the limit that the service was started with, which suits programs that use `select`.

use rustix::process::{Pid, Resource, Rlimit, prlimit, setrlimit};
use std::io;
use std::sync::OnceLock;

/// The limits before they were raised.
static STARTED_WITH: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit of open files of this process to its hard limit. Workers that are spawned from then
/// on get the earlier soft limit.
///
/// # Errors
/// When the system refuses.
pub fn raise_open_files_limit() -> io::Result<()> {
    let limit = procpool_memory::rlimit::own(Resource::Nofile)?;
    if limit.current == limit.maximum {
        return Ok(());
    }
    let _ = STARTED_WITH.set(limit);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// Sets a worker's limit to the earlier one. If the system refuses, the worker has a higher limit than it
/// needs.
pub(super) fn give_back(pid: Pid) {
    if let Some(limit) = STARTED_WITH.get() {
        let _ = prlimit(Some(pid), Resource::Nofile, *limit);
    }
}
