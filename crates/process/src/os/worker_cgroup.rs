//! [`WorkerCgroup`]: a control group around one worker. It bounds the number of processes in it and
//! lets all of them be killed, including those that left the worker's process group and session.
//!
//! The coordinator holds a lock on the group's directory. A cgroup that can be locked is nobody's, and the
//! processes in it have lost their coordinator.

use super::cgroup::Place;
use super::fork::Home;
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

/// Number of cgroups that are made before giving up where others sweep at the same time.
const ATTEMPTS: usize = 8;

/// Maximum number of entries of a place that are looked at for cgroups to sweep.
const SWEEP: usize = 10_000;

/// Number of attempts to remove a cgroup, and the time between them: killed processes take a moment
/// to die.
const REMOVALS: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(2);

/// Dropped, it kills the processes in it and is removed, in the background if necessary.
#[derive(Debug)]
pub(crate) struct WorkerCgroup {
    dir: PathBuf,
    lock: File,
    home: Home,
}

impl WorkerCgroup {
    /// Makes a cgroup for at most `limit` processes and threads and puts a process into it.
    pub(crate) fn around(pid: Pid, limit: u64) -> io::Result<Self> {
        static SWEPT: Once = Once::new();
        let place = Place::own()?;
        SWEPT.call_once(|| sweep(&place.dir));
        let cgroup = Self::make(&place)?;
        write(&cgroup.dir, "pids.max", &limit.to_string())?;
        write(&cgroup.dir, "cgroup.procs", &pid.to_string())?;
        Ok(cgroup)
    }

    fn make(place: &Place) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        for _ in 0..ATTEMPTS {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            match place.make(&format!("{PREFIX}{}-{number}", std::process::id())) {
                // Somebody who sweeps at this very moment may have taken it for a dead one's.
                Ok(dir) => match lock(&dir).ok().filter(|_| dir.exists()) {
                    Some(lock) => return Ok(Self { dir, lock, home: Home::here() }),
                    None => continue,
                },
                // Made by a coordinator of another process namespace.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("others keep sweeping the groups away"))
    }

    /// Returns its directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Sends SIGKILL to all processes in it. None of them can make another process any more.
    pub(crate) fn kill(&self) {
        kill(&self.dir);
    }
}

impl Drop for WorkerCgroup {
    fn drop(&mut self) {
        // In a fork it is the parent's.
        if !self.home.is_here() || is_removed(&self.dir) {
            return;
        }
        // Kept until the end, so that nobody else sweeps.
        let (dir, lock) = (self.dir.clone(), self.lock.try_clone());
        // If no thread can be had, an empty group stays behind, for the next start to sweep.
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

/// Removes a group, which works once nothing lives in it.
fn is_removed(dir: &Path) -> bool {
    kill(dir);
    let removed = fs::remove_dir(dir);
    removed.map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true)
}

fn kill(dir: &Path) {
    // One round finds all but what is being born just now.
    let _ = write(dir, "pids.max", "0");
    // Version 2 has a word for it, except in threaded groups.
    if write(dir, "cgroup.kill", "1").is_err() {
        kill_each(dir);
    }
}

/// A number that is listed may be another's by the time it is used. So a descriptor is opened first, and used only
/// where the number is still listed after that.
fn kill_each(dir: &Path) {
    let open = |pid| pidfd_open(pid, PidfdFlags::empty()).ok().map(|process| (pid, process));
    let opened: Vec<_> = members(dir).into_iter().filter_map(open).collect();
    let still = members(dir);
    for (_, process) in opened.iter().filter(|(pid, _)| still.contains(pid)) {
        // It may have died meanwhile, which is all that was wanted.
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
}

/// A threaded group tells threads only, the first of each process among them.
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

/// Removes the worker cgroups of coordinators that were killed, and kills the processes that live
/// on in them.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten().take(SWEEP) {
        let dir = entry.path();
        if entry.file_name().to_str().is_some_and(is_name)
            && let Ok(lock) = lock(&dir)
        {
            drop(WorkerCgroup { dir, lock, home: Home::here() });
        }
    }
}

/// Returns whether a group has the name of a worker cgroup. One that is not ours holds processes
/// that are not ours.
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
