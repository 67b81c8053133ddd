//! One worker process, from spawn to reap: its pidfd, its group, and the promise that a number is
//! never signalled after it was reaped.

use super::fork::Home;
use super::group;
use super::oom_kills::{Group, OomKills, Watch};
use super::usage::Usage;
use super::wait::{self, Patience, Reaped};
use super::worker_cgroup::WorkerCgroup;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A child that leads a session and a process group of its own.
///
/// Dropped before it was reaped, it is killed with its group and reaped in the background. In a fork of
/// the process that spawned it, it is nobody's child: there it is neither signalled nor reaped.
#[derive(Debug)]
pub(crate) struct Process {
    home: Home,
    pid: Pid,
    pidfd: OwnedFd,
    started: Instant,
    /// Held while signalling and while reaping: a pid is free for others once it is reaped.
    fate: Mutex<Fate>,
}

/// The fate of a process.
#[derive(Debug, Default)]
struct Fate {
    /// It was sent SIGKILL, and was alive shortly before.
    killed: bool,
    reaped: bool,
    /// Killed along with the group, until it is removed.
    cgroup: Option<WorkerCgroup>,
    /// The watch that says whether the kernel killed it for its memory.
    oom: Option<Watch>,
}

impl Process {
    /// Takes charge of the child that `spawn` makes.
    pub(crate) fn spawned(spawn: impl FnOnce() -> io::Result<Pid>) -> io::Result<Self> {
        let (home, started) = (Home::here(), Instant::now());
        let pid = spawn()?;
        match rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(pidfd) => Ok(Self { home, pid, pidfd, started, fate: Mutex::default() }),
            // It is dead, and its number may be another one's: this process ignores SIGCHLD, or somebody in
            // it waits for every child.
            Err(Errno::SRCH) => Err(io::Error::other(
                "it ended at once, and something in this process reaps every child (SIGCHLD is ignored, or \
                 waitpid(-1) is called), so nobody knows how",
            )),
            Err(error) => {
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
                let _ = wait::reap(pid, Patience::Wait);
                Err(crate::cause::pidfd_open(error))
            }
        }
    }

    /// Sets its limits by `confine`. If that fails, it is killed.
    pub(crate) fn confined(
        mut self,
        confine: impl FnOnce(Pid) -> io::Result<Option<WorkerCgroup>>,
    ) -> io::Result<Self> {
        let cgroup = confine(self.pid)?;
        let fate = self.fate.get_mut().unwrap_or_else(PoisonError::into_inner);
        fate.oom = Watch::begin(cgroup.as_ref().map(WorkerCgroup::dir));
        fate.cgroup = cgroup;
        Ok(self)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Returns whether it is stopped, by SIGSTOP for one: alive, and doing nothing until it is
    /// continued.
    pub(crate) fn is_stopped(&self) -> bool {
        let fate = self.fate();
        !fate.reaped && self.look(WaitIdOptions::STOPPED).is_ok_and(|found| found.is_some())
    }

    /// Returns its resident memory, in bytes. Returns `None` once it is reaped, and 0 from its
    /// death until then.
    pub(crate) fn resident_memory(&self) -> Option<u64> {
        // Held while the file is read: its name is the pid.
        let fate = self.fate();
        let pages = if fate.reaped { None } else { resident_pages(self.pid) };
        pages?.checked_mul(rustix::param::page_size() as u64)
    }

    /// Sends SIGKILL to the whole group, and to processes that have left it as far as there is a
    /// cgroup, unless the leader was reaped already.
    pub(crate) fn kill_group(&self) {
        if !self.home.is_here() {
            return;
        }
        let mut fate = self.fate();
        if fate.reaped {
            return;
        }
        let found = self.look(WaitIdOptions::EXITED);
        let is_gone = matches!(found, Err(Errno::CHILD));
        fate.killed |= matches!(found, Ok(None));
        // Where the host ignores SIGCHLD, or waits for every child, the dead are reaped without us (ECHILD), and the number
        // may be another one's.
        if !group::kill(self.pidfd.as_fd()) && !is_gone {
            // ESRCH: nobody is left in the group, which is all that was wanted.
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        }
        if let Some(cgroup) = &fate.cgroup {
            cgroup.kill();
        }
    }

    /// Kills the rest of the group and reaps the leader, which must be dead already.
    pub(crate) fn bury(&self) -> Reaped {
        self.kill_group();
        let mut fate = self.fate();
        // Of a zombie: it uses nothing more, and its number is still its own.
        let own = Usage::of(self.pid);
        let result = self.reap(Patience::Wait);
        fate.reaped = true;
        let killer = fate.oom.take().filter(|_| !fate.killed);
        let cgroup = fate.cgroup.take();
        drop(fate);
        // ECHILD: the host process ignores SIGCHLD or waits for every child. The worker is dead all
        // the same, only how it died is lost.
        let mut reaped = result.ok().flatten().unwrap_or_else(Reaped::unknown);
        if reaped.exit.signal() == Some(Signal::KILL.as_raw()) {
            reaped.oom_killed = killer.is_some_and(Watch::has_killed);
        }
        // With its files.
        drop(cgroup);
        own.map_or(Reaped { peak_memory: None, ..reaped }, |own| own.of_its_own(reaped))
    }

    /// Returns the group whose file tells what the kernel's OOM killer takes.
    pub(crate) fn oom_group(&self) -> Option<Arc<Group>> {
        self.fate().oom.as_ref().map(Watch::group)
    }

    /// Notes that it rested after these were counted, so that the kernel's OOM killer had taken something else.
    pub(crate) fn rests(&self, kills: &OomKills) {
        if let Some(oom) = &mut self.fate().oom {
            oom.renew(kills);
        }
    }

    /// Returns the resources that it has used by itself so far, or `None` once it is reaped.
    pub(crate) fn usage(&self) -> Option<Usage> {
        // Held while the file is read: its name is the pid.
        let fate = self.fate();
        if fate.reaped { None } else { Usage::of(self.pid) }
    }

    /// To be asked only with the fate held. Where somebody else has reaped it, its number is not asked after: that may be
    /// another child's, which would be waited for.
    fn reap(&self, patience: Patience) -> io::Result<Option<Reaped>> {
        match self.look(WaitIdOptions::EXITED) {
            Err(Errno::CHILD) => Err(Errno::CHILD.into()),
            _ => wait::reap(self.pid, patience),
        }
    }

    /// Returns whether it was killed by us, rather than found dead.
    pub(crate) fn was_killed(&self) -> bool {
        self.fate().killed
    }

    /// Looks for a change of state, waits for none and takes none away. Must not be asked once reaped.
    fn look(&self, change: WaitIdOptions) -> rustix::io::Result<Option<WaitIdStatus>> {
        let look = change | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), look)
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the second field of `/proc/<pid>/statm`.
fn resident_pages(pid: Pid) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    statm.split(' ').nth(1)?.parse().ok()
}

/// Readable once the process is dead.
impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.home.is_here() || self.fate().reaped {
            return;
        }
        self.kill_group();
        if matches!(self.reap(Patience::Look), Ok(None)) {
            let pid = self.pid;
            // A killed process may take a moment to die, and a destructor must not wait for it. If no
            // thread can be had, the zombie stays until this process ends; it runs nothing any more.
            let _ = std::thread::Builder::new()
                .name("procpool-reaper".into())
                .stack_size(64 * 1024)
                .spawn(move || wait::reap(pid, Patience::Wait));
        }
    }
}

#[cfg(test)]
mod reuse;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::spawn::{SpawnRequest, TakenUp, spawn};
    use crate::{Executable, WorkerLimits};

    pub(super) async fn sleep() -> Process {
        let sleep = Executable::path("/bin/sleep").expect("sleep is there").with_args(["1000"]);
        let request = SpawnRequest {
            pinned: sleep.pin().expect("sleep can be opened"),
            env: Vec::new(),
            current_dir: None,
            limits: WorkerLimits::default(),
            descriptors: Vec::new(),
            welcome: bytes::Bytes::new(),
        };
        spawn(request, TakenUp::default()).await.expect("sleep is spawned").process
    }

    fn until(question: impl Fn() -> bool) {
        let start = Instant::now();
        while !question() {
            assert!(start.elapsed().as_secs() < 30, "the answer never comes");
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn a_stopped_process_is_known_until_it_is_continued() {
        let process = sleep().await;
        let signal = |signal| rustix::process::kill_process(process.pid, signal).expect("a process");
        assert!(!process.is_stopped());
        for _ in 0..2 {
            signal(Signal::STOP);
            until(|| process.is_stopped());
            // Looking takes nothing away.
            assert!(process.is_stopped());
            signal(Signal::CONT);
            until(|| !process.is_stopped());
        }
        signal(Signal::STOP);
        until(|| process.is_stopped());
        process.bury();
        assert!(!process.is_stopped());
    }

    #[tokio::test]
    async fn resident_memory_is_in_bytes_and_ends_with_the_process() {
        let process = sleep().await;
        // It has begun to run; how much it has mapped by now is not ours to say.
        let bytes = process.resident_memory().expect("a living process");
        assert!((1..1 << 30).contains(&bytes) && bytes % 1024 == 0, "{bytes}");
        process.bury();
        assert_eq!(process.resident_memory(), None);
    }
}
