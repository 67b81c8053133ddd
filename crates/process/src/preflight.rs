//! Tries the system calls of a start, without starting a worker.

use crate::cause::{self, Obstacle};
use crate::os::limits;
use crate::worker_limits::WorkerLimits;
use procpool_protocol::MemoryCount;
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Looks for all obstacles in this process's environment to starting workers with these limits. Examples are
/// a sandbox that forbids a call, a limit above this process's own, and a missing `/proc`. Starts nothing and
/// changes nothing.
///
/// # Errors
/// When something is forbidden or missing. The error names it and the remedy.
pub fn preflight(limits: &WorkerLimits) -> io::Result<()> {
    if !Path::new("/proc/self/fd").exists() {
        return Err(cause::obstructed(Obstacle::NoProc));
    }
    require_sockets()?;
    pidfd_open(getpid(), PidfdFlags::NONBLOCK).map_err(cause::pidfd_open)?;
    limits::foresee(limits).map_err(io::Error::other)
}

/// Returns how the `memory_limit` of a worker would be counted here. Makes a control group as a trial, and removes
/// it.
pub fn memory_count() -> MemoryCount {
    limits::memory_count()
}

/// Creates a pair of Unix sockets, which connect workers and wake tokio's runtimes.
///
/// # Errors
/// When a sandbox forbids it. The error names the remedy.
pub fn require_sockets() -> io::Result<()> {
    UnixStream::pair().map(drop).map_err(cause::socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_workers_can_be_started_nothing_is_found() {
        preflight(&WorkerLimits::default()).unwrap();
    }

    #[test]
    fn a_limit_above_the_own_one_is_found() {
        let limits = WorkerLimits { open_files_limit: Some(1 << 40), ..WorkerLimits::default() };
        let error = preflight(&limits).unwrap_err().to_string();
        assert!(
            error.starts_with("open_files_limit = 1099511627776 is more than this process has"),
            "{error}"
        );
    }
}
