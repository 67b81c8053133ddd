//! [`WorkerCgroup`]: a control group around one worker. It limits the number of processes in it, or their memory.
//! All of them can be killed, including those that left the worker's process group and session.
//!
//! The coordinator holds a lock on the group's directory. If a cgroup can be locked, it has no owner, and its
//! processes have lost their coordinator.

use super::cgroup::Place;
use super::fork::{Home, PerProcess};
use super::oom_kills;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The prefix of the names of all worker cgroups.
const PREFIX: &str = "procpool-";

/// Number of cgroups that are created before giving up while others sweep at the same time.
const ATTEMPTS: usize = 8;

/// Maximum number of entries of a place that are inspected for cgroups to sweep.
const SWEEP: usize = 10_000;

/// Number of attempts to remove a cgroup, and the time between them: killed processes take a moment to die.
const REMOVALS: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(2);

/// Dropping it kills the processes in it and removes it, in the background if necessary.
#[derive(Debug)]
pub(crate) struct WorkerCgroup {
    dir: PathBuf,
    lock: File,
    home: Home,
    /// It counts processes as well as memory.
    counts_all: bool,
    /// The limit of its memory, in bytes.
    memory: u64,
}

impl WorkerCgroup {
    /// Creates a cgroup for at most `limit` processes and threads and puts a process into it.
    pub(crate) fn around(pid: Pid, limit: u64) -> io::Result<Self> {
        static SWEPT: Once = Once::new();
        let place = Place::own()?;
        SWEPT.call_once(|| sweep(&place.dir));
        let cgroup = Self::make(&place)?;
        write(&cgroup.dir, "pids.max", &limit.to_string())?;
        cgroup.admit(pid)?;
        Ok(cgroup)
    }

    /// Creates an empty cgroup whose processes use at most `limit` bytes of memory together. The kernel kills
    /// one that needs more, or all of them where it can.
    pub(crate) fn of_memory(limit: u64) -> io::Result<Self> {
        static PLACE: PerProcess<Result<Place, String>> = PerProcess::new();
        // Searched for once: where there is none, each start of a worker would search in vain.
        let place = PLACE.get(|| {
            let place = Place::of_memory().map_err(|error| error.to_string())?;
            sweep(&place.dir);
            Ok(place)
        });
        let place = place.as_ref().map_err(|reason| io::Error::other(reason.clone()))?;
        let mut cgroup = Self::make(place)?;
        (cgroup.counts_all, cgroup.memory) = (place.counts_all(), limit);
        let [(file, bytes), (swap, swapped)] = place.memory_files(limit);
        write(&cgroup.dir, file, &bytes.to_string())?;
        // Without swap there is no such file, or it does not matter. Version 1 has no file for the other.
        let _ = write(&cgroup.dir, swap, &swapped.to_string());
        let _ = write(&cgroup.dir, "memory.oom.group", "1");
        Ok(cgroup)
    }

    /// Limits the number of processes of a group for memory. Returns whether it can, which version 1 cannot.
    pub(crate) fn limit_processes(&self, limit: u64) -> io::Result<bool> {
        self.counts_all
            .then(|| write(&self.dir, "pids.max", &limit.to_string()))
            .transpose()
            .map(|it| it.is_some())
    }

    /// Puts a process into the group.
    pub(crate) fn admit(&self, pid: Pid) -> io::Result<()> {
        write(&self.dir, "cgroup.procs", &pid.to_string())
    }

    fn make(place: &Place) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        for _ in 0..ATTEMPTS {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            match place.make(&format!("{PREFIX}{}-{number}", std::process::id())) {
                // Another coordinator that sweeps at this moment may consider it to be without an owner.
                Ok(dir) => match lock(&dir).ok().filter(|_| dir.exists()) {
                    Some(lock) => {
                        return Ok(Self {
                            dir,
                            lock,
                            home: Home::here(),
                            counts_all: false,
                            memory: u64::MAX,
                        });
                    }
                    None => continue,
                },
                // Created by a coordinator of another pid namespace.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("others keep sweeping the groups away"))
    }

    /// Returns whether its processes have reached the limit of its memory.
    pub(crate) fn is_limit_reached(&self) -> bool {
        oom_kills::is_limit_reached(&self.dir, self.memory)
    }

    /// Returns the group's directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Sends SIGKILL to all processes in the group, which can no longer create further processes.
    pub(crate) fn kill(&self) {
        kill(&self.dir);
    }
}

impl Drop for WorkerCgroup {
    fn drop(&mut self) {
        // In a fork, the group belongs to the parent.
        if !self.home.is_here() || is_removed(&self.dir) {
            return;
        }
        // Held until the end, so that no other process sweeps it.
        let (dir, lock) = (self.dir.clone(), self.lock.try_clone());
        // If no thread can be started, an empty group remains, and the next start sweeps it.
        let _ = std::thread::Builder::new().name("procpool-reaper".into()).stack_size(64 * 1024).spawn(
            move || {
                let _lock = lock;
                (0..REMOVALS).any(|_| {
                    std::thread::sleep(PAUSE);
                    is_removed(&dir)
                })
            },
        );
    }
}

/// Kills and removes a group. Returns whether it is removed, which requires that nothing lives in it.
fn is_removed(dir: &Path) -> bool {
    kill(dir);
    let removed = fs::remove_dir(dir);
    removed.map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true)
}

fn kill(dir: &Path) {
    // With this limit, one round finds all processes except one that is being created just now.
    let _ = write(dir, "pids.max", "0");
    // Version 2 has a file for that, except in threaded groups.
    if write(dir, "cgroup.kill", "1").is_err() {
        kill_each(dir);
    }
}

/// Kills each process in a group. A listed pid may belong to another process by the time of its use.
/// Therefore a descriptor is opened first, and used only if the pid is still listed afterwards.
fn kill_each(dir: &Path) {
    let open = |pid| pidfd_open(pid, PidfdFlags::empty()).ok().map(|process| (pid, process));
    let opened: Vec<_> = members(dir).into_iter().filter_map(open).collect();
    let still = members(dir);
    for (_, process) in opened.iter().filter(|(pid, _)| still.contains(pid)) {
        // An error means that the process is dead already.
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
}

/// Returns the processes in a group. A threaded group lists only threads, including the first of each
/// process.
fn members(dir: &Path) -> HashSet<Pid> {
    let read = |file: &str| fs::read_to_string(dir.join(file));
    let list = read("cgroup.procs").or_else(|_| read("cgroup.threads")).unwrap_or_default();
    list.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect()
}

fn write(dir: &Path, file: &str, text: &str) -> io::Result<()> {
    let path = dir.join(file);
    let named = |error| io::Error::other(format!("failed to write to {}: {error}", path.display()));
    fs::write(&path, text).map_err(named)
}

fn lock(dir: &Path) -> io::Result<File> {
    let file = File::open(dir)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Removes the worker cgroups of coordinators that were killed, and kills the processes in them.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten().take(SWEEP) {
        let dir = entry.path();
        if entry.file_name().to_str().is_some_and(is_name)
            && let Ok(lock) = lock(&dir)
        {
            drop(WorkerCgroup { dir, lock, home: Home::here(), counts_all: false, memory: u64::MAX });
        }
    }
}

/// Returns whether a group has the name of a worker cgroup. A group with another name holds processes of
/// other programs.
fn is_name(name: &str) -> bool {
    let numbers = name.strip_prefix(PREFIX).and_then(|numbers| numbers.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    numbers.is_some_and(|(coordinator, number)| is_number(coordinator) && is_number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_called_like_a_worker_cgroup_is_swept() {
        assert!(is_name("procpool-4711-0"));
        for name in
            ["procpool-prod", "procpool-4711", "procpool-4711-", "procpool--1", "procpool-1-2-3", "x-1-2"]
        {
            assert!(!is_name(name), "{name}");
        }
    }
}
