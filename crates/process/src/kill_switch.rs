//! The one way to kill a worker, whatever state it is in: not spawned yet, starting, or serving.

use crate::os::process::Process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Kills a worker's process group; one that is spawned after the kill is killed at once.
#[derive(Debug, Default)]
pub struct KillSwitch(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    killed: bool,
    process: Option<Arc<Process>>,
}

impl KillSwitch {
    /// Ties the switch to its process.
    pub(crate) fn attach(&self, process: Arc<Process>) {
        let mut state = self.lock();
        if state.killed {
            process.kill_group();
        }
        state.process = Some(process);
    }

    /// Kills the process group now, or as soon as there is one.
    pub fn kill(&self) {
        let mut state = self.lock();
        state.killed = true;
        if let Some(process) = &state.process {
            process.kill_group();
        }
    }

    /// Whether the process is stopped.
    pub fn is_stopped(&self) -> bool {
        self.lock().process.as_ref().is_some_and(|process| process.is_stopped())
    }

    /// Memory that the process has resident, in bytes, while it lives.
    pub fn resident_memory(&self) -> Option<u64> {
        let process = self.lock().process.clone()?;
        process.resident_memory()
    }

    /// Time on a processor that the process has used, while it lives.
    pub fn cpu_time(&self) -> Option<Duration> {
        let process = self.lock().process.clone()?;
        process.usage().map(|usage| usage.cpu_time)
    }

    /// The process id, once there is one.
    pub fn pid(&self) -> Option<u32> {
        self.lock().process.as_ref().map(|process| process.pid())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
