//! The only means to kill a worker in any state: before its spawn, while it starts, or while it serves.

use crate::lines::LastLines;
use crate::os::attached_process::AttachedProcess;
use crate::os::oom_kills::{OomGroups, OomKills};
use crate::os::worker_process::WorkerProcess;
use crate::snapshot::{self, SnapshotError, Threads};
use procpool_protocol::engine::Activity;
use procpool_stacks::Snapshot;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Kills a worker's process group. A process that is spawned after the kill is killed at once.
///
/// Its lock is held for a few instructions: whatever asks the kernel works on a clone of the process.
#[derive(Debug, Default)]
pub struct KillSwitch {
    state: Mutex<State>,
    /// The process id, or 0 before there is one. It is read under the lock of a pool, so it needs none itself.
    pid: AtomicU32,
    used: Notify,
    lines: Arc<LastLines>,
}

#[derive(Debug, Default)]
struct State {
    killed: bool,
    process: Option<Arc<WorkerProcess>>,
}

/// Nobody has it once the death of the process is known: those that follow its lines then find its death.
impl Drop for KillSwitch {
    fn drop(&mut self) {
        self.lines.end();
    }
}

impl KillSwitch {
    /// Connects the switch to its process.
    pub(crate) fn attach(&self, process: &Arc<WorkerProcess>) {
        self.pid.store(process.pid(), Ordering::Relaxed);
        let is_killed = self.with(|state| {
            state.process = Some(process.clone());
            state.killed
        });
        // A kill that comes from here on finds the process.
        if is_killed {
            process.kill();
        }
    }

    /// Kills the process group now, or as soon as there is one.
    pub fn kill(&self) {
        let process = self.with(|state| {
            state.killed = true;
            state.process.clone()
        });
        if let Some(process) = process {
            process.kill();
        }
        self.used.notify_one();
    }

    /// Returns whether the switch was used.
    pub fn was_used(&self) -> bool {
        self.with(|state| state.killed)
    }

    /// Completes once the switch was used.
    pub(crate) async fn used(&self) {
        self.used.notified().await;
    }

    /// Returns whether the process is stopped.
    pub fn is_stopped(&self) -> bool {
        self.process().is_some_and(|process| process.is_stopped())
    }

    /// Returns the control groups of these processes whose OOM kills the kernel counts.
    pub fn oom_groups<'a>(switches: impl IntoIterator<Item = &'a Self>) -> OomGroups {
        switches.into_iter().filter_map(|switch| switch.process()?.oom_group()).collect()
    }

    /// Records that the process was alive and idle after these kills were counted.
    pub fn rests(&self, kills: &OomKills) {
        if let Some(process) = self.process() {
            process.rests(kills);
        }
    }

    /// Returns the resident memory of the process, in bytes, while it lives.
    pub fn resident_memory(&self) -> Option<u64> {
        self.process()?.resident_memory()
    }

    /// Returns whether the memory of the process has a limit that no cgroup holds.
    pub fn is_watched(&self) -> bool {
        self.process().is_some_and(|process| process.watched_limit().is_some())
    }

    /// Returns whether the process is above that limit.
    pub fn is_above_limit(&self) -> bool {
        self.process().is_some_and(|process| process.is_above_limit())
    }

    /// Returns the processor time that the process has used, while it lives.
    pub fn cpu_time(&self) -> Option<Duration> {
        self.process()?.usage().map(|usage| usage.cpu_time)
    }

    /// Returns what the first thread of the process does, while it lives.
    pub fn activity(&self) -> Option<Activity> {
        self.process()?.activity()
    }

    /// Returns the last lines that the process wrote to standard output and error. Of an attached worker there are
    /// none.
    pub fn lines(&self) -> &Arc<LastLines> {
        &self.lines
    }

    /// Stops the process for a moment, and returns what its threads do. Waits at most `within`, and the process
    /// goes on in any case. Call it on a tokio runtime with time.
    ///
    /// # Errors
    /// When there is no process, the system forbids it, or the process does not stop in time.
    pub async fn snapshot(&self, threads: Threads, within: Duration) -> Result<Snapshot, SnapshotError> {
        self.snapshot_holding(threads, within, ()).await
    }

    /// Takes a [`snapshot`](Self::snapshot), and drops `held` when nothing is left of that, even if the process
    /// holds it up beyond `within`.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub async fn snapshot_holding(
        &self,
        threads: Threads,
        within: Duration,
        held: impl Send + 'static,
    ) -> Result<Snapshot, SnapshotError> {
        let process = self.process().ok_or(SnapshotError::Gone)?;
        snapshot::take(process, threads, within, held).await
    }

    /// Returns the process id, once there is one.
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// Sends an attached worker a `ping`, unless it has not answered the last one. Other workers are this
    /// process's children, and the kernel shows whether they are stopped.
    pub fn ask(&self, ping: impl FnOnce()) {
        if self.process().is_some_and(|it| it.attached().is_some_and(AttachedProcess::was_asked)) {
            ping();
        }
    }

    /// Records that the worker answered or sent a frame.
    pub fn heard(&self) {
        let process = self.process();
        if let Some(attached) = process.as_ref().and_then(|it| it.attached()) {
            attached.was_heard();
        }
    }

    fn process(&self) -> Option<Arc<WorkerProcess>> {
        self.with(|state| state.process.clone())
    }

    /// Locks the state for this. The lock cannot leave it, so it is held across no call of the system.
    fn with<R>(&self, this: impl FnOnce(&mut State) -> R) -> R {
        this(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
