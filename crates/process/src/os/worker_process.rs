//! The process of a worker: a child of this one, or one that another program started.

use super::activity;
use super::attached_process::AttachedProcess;
use super::oom_kills::{Group, OomKills};
use super::process::Process;
use super::trace::Traced;
use super::usage::Usage;
use super::wait::Reaped;
use crate::snapshot;
use procpool_protocol::engine::Activity;
use rustix::process::Pid;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Instant;

/// The process of a worker.
#[derive(Debug)]
pub(crate) enum WorkerProcess {
    Child(Process),
    Attached(AttachedProcess),
}

impl WorkerProcess {
    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Child(child) => child.pid(),
            Self::Attached(attached) => attached.pid(),
        }
    }

    pub(crate) fn started(&self) -> Instant {
        match self {
            Self::Child(child) => child.started(),
            Self::Attached(attached) => attached.started(),
        }
    }

    /// Returns whether it makes no progress although it is alive: stopped, or silent for too long.
    pub(crate) fn is_stopped(&self) -> bool {
        match self {
            Self::Child(child) => child.is_stopped(),
            Self::Attached(attached) => attached.is_silent(),
        }
    }

    /// Begins to trace its first thread, if the system permits that.
    pub(crate) fn seize(&self) -> io::Result<Traced> {
        match self {
            Self::Child(child) => child.seize(),
            Self::Attached(attached) => attached.seize(),
        }
    }

    /// Returns whether it is dead, or must be treated as dead.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Child(child) => child.has_ended(),
            Self::Attached(attached) => attached.has_ended(),
        }
    }

    /// Returns what its first thread does, or why that is not to be seen. `None` once it has ended.
    pub(crate) fn activity(&self) -> Option<Activity> {
        let pid = Pid::from_raw(self.pid().cast_signed())?;
        let activity = activity::of(pid).unwrap_or_else(|error| {
            let reason = match error.kind() {
                io::ErrorKind::PermissionDenied => snapshot::reason(pid, matches!(self, Self::Child(_))),
                _ => error.to_string(),
            };
            Activity::Unknown { note: format!("what process {pid} does cannot be seen: {reason}") }
        });
        // The number was its own throughout if it lives now.
        (!self.has_ended()).then_some(activity)
    }

    /// Returns its resident memory, in bytes, if this process may read it.
    pub(crate) fn resident_memory(&self) -> Option<u64> {
        match self {
            Self::Child(child) => child.resident_memory(),
            Self::Attached(_) => None,
        }
    }

    /// Returns the limit of its memory that no cgroup holds, in bytes. Another program's process has none.
    pub(crate) fn watched_limit(&self) -> Option<u64> {
        self.child()?.watched_limit()
    }

    /// Returns the memory of a child's own, in bytes, and kills the child if that is above its limit.
    pub(crate) fn own_memory_or_kill(&self) -> Option<u64> {
        self.child()?.own_memory_or_kill()
    }

    /// Returns whether it is above the limit of its memory that no cgroup holds.
    pub(crate) fn is_above_limit(&self) -> bool {
        self.child().is_some_and(Process::is_above_limit)
    }

    fn child(&self) -> Option<&Process> {
        match self {
            Self::Child(child) => Some(child),
            Self::Attached(_) => None,
        }
    }

    /// Returns the control group of a child, if it counts the kernel's OOM kills.
    pub(crate) fn oom_group(&self) -> Option<Arc<Group>> {
        match self {
            Self::Child(child) => child.oom_group(),
            Self::Attached(_) => None,
        }
    }

    /// Records that it was idle after these kills were counted.
    pub(crate) fn rests(&self, kills: &OomKills) {
        match self {
            Self::Child(child) => child.rests(kills),
            Self::Attached(_) => {}
        }
    }

    /// Returns the resources that it has used so far, if this process may read them.
    pub(crate) fn usage(&self) -> Option<Usage> {
        match self {
            Self::Child(child) => child.usage(),
            Self::Attached(_) => None,
        }
    }

    /// Kills the process. A child is killed with its group, another process alone and only if that is
    /// permitted.
    pub(crate) fn kill(&self) {
        match self {
            Self::Child(child) => child.kill_group(),
            Self::Attached(attached) => attached.kill(),
        }
    }

    /// Returns whether this process killed it, instead of finding it dead.
    pub(crate) fn was_killed(&self) -> bool {
        match self {
            Self::Child(child) => child.was_killed(),
            Self::Attached(attached) => attached.was_killed(),
        }
    }

    /// Kills the rest of a child's group and reaps the child, which must be dead already. The exit status of
    /// another process is known only to its parent.
    pub(crate) fn bury(&self) -> Reaped {
        match self {
            Self::Child(child) => child.bury(),
            Self::Attached(_) => Reaped::unknown(),
        }
    }

    /// Returns the process if another program started it.
    pub(crate) fn attached(&self) -> Option<&AttachedProcess> {
        match self {
            Self::Child(_) => None,
            Self::Attached(attached) => Some(attached),
        }
    }

    /// Readable once the process is dead.
    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Child(child) => Some(child.as_fd()),
            Self::Attached(attached) => attached.pidfd(),
        }
    }
}

/// Returns the pidfd, or a number that is no descriptor.
impl AsRawFd for WorkerProcess {
    fn as_raw_fd(&self) -> RawFd {
        self.pidfd().map_or(-1, |pidfd| pidfd.as_raw_fd())
    }
}
