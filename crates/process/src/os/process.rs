//! One worker process, from spawn to reap: its pidfd, its group, and the guarantee that a pid is never
//! signalled after it was reaped.

use super::fork::Home;
use super::group;
use super::limits::Confinement;
use super::oom_kills::{Group, OomKills, Watch};
use super::orphans;
use super::trace::Traced;
use super::usage::Usage;
use super::wait::{self, Patience, Reaped};
use super::worker_cgroup::WorkerCgroup;
use crate::memory_limit;
use procpool_protocol::MemoryCount;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A child that leads a session and a process group of its own.
///
/// If it is dropped before it is reaped, it is killed with its group and reaped in the background. In a fork
/// of the process that spawned it, it is not a child. There it is neither signalled nor reaped.
#[derive(Debug)]
pub(crate) struct Process {
    home: Home,
    pid: Pid,
    pidfd: OwnedFd,
    started: Instant,
    /// Locked while signalling and while reaping: a pid may be reused once it is reaped. Never locked across a
    /// call that can wait for the process itself, such as `ptrace` and reads of `/proc`: the kill that would
    /// end the wait needs the lock. Such a call uses the pid, and asks afterwards whether it was its own.
    fate: Mutex<Fate>,
}

/// The fate of a process.
#[derive(Debug, Default)]
struct Fate {
    /// The process was sent SIGKILL, and was alive shortly before.
    killed: bool,
    reaped: bool,
    /// It was sent SIGKILL because it was above the limit of its memory.
    is_above_limit: bool,
    /// Its cgroups are killed with the group, until they are removed.
    confinement: Confinement,
    /// Determines whether the kernel's OOM killer killed the process.
    oom: Option<Watch>,
}

impl Process {
    /// Owns the child that `spawn` creates.
    pub(crate) fn spawned(spawn: impl FnOnce() -> io::Result<Pid>) -> io::Result<Self> {
        let (home, started) = (Home::here(), Instant::now());
        let pid = spawn()?;
        match rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(pidfd) => {
                orphans::watch(pid);
                Ok(Self { home, pid, pidfd, started, fate: Mutex::default() })
            }
            // The process is dead, and its pid may have been reused: this process ignores SIGCHLD, or other
            // code in it waits for every child.
            Err(Errno::SRCH) => Err(io::Error::other(
                "it ended at once, and something in this process reaps every child (SIGCHLD is ignored, or \
                 waitpid(-1) is called), so nobody knows how",
            )),
            Err(error) => {
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                let _ = wait::reap(pid, Patience::Wait);
                Err(crate::cause::pidfd_open(error))
            }
        }
    }

    /// Owns a child that another child has created for this process, and that leads a session or is about to.
    pub(crate) fn adopted(pid: Pid) -> io::Result<Self> {
        // Another process's child, or one that somebody else has reaped: not this one's to kill.
        let stranger = || io::Error::other(format!("process {pid} is no child of this one"));
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::Pid(pid), look).map_err(|_| stranger())?;
        let process = Self::spawned(|| Ok(pid))?;
        // Where somebody else reaps children, the number may have changed hands meanwhile.
        if process.look(WaitIdOptions::EXITED).is_err() {
            process.fate().reaped = true;
            orphans::forget(pid);
            return Err(stranger());
        }
        Ok(process)
    }

    /// Sets the process's limits by `confine`. Kills the process if that fails.
    pub(crate) fn confined(
        mut self,
        confine: impl FnOnce(Pid) -> io::Result<Confinement>,
    ) -> io::Result<Self> {
        let confinement = confine(self.pid)?;
        let fate = self.fate.get_mut().unwrap_or_else(PoisonError::into_inner);
        // In version 2, the group that counts processes may count OOM kills.
        fate.oom = Watch::begin(confinement.cgroups().next().map(WorkerCgroup::dir));
        fate.confinement = confinement;
        Ok(self)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Returns whether the process is stopped, for example by SIGSTOP: alive, but idle until it is continued.
    pub(crate) fn is_stopped(&self) -> bool {
        let fate = self.fate();
        !fate.reaped && self.look(WaitIdOptions::STOPPED).is_ok_and(|found| found.is_some())
    }

    /// Begins to trace its first thread. After an error the calling thread must end at once, which releases
    /// whatever else had the number.
    pub(crate) fn seize(&self) -> io::Result<Traced> {
        if !self.home.is_here() || self.has_ended() {
            return Err(Errno::SRCH.into());
        }
        // Waits for an `exec` of the process: for the file, or for threads that another process traces.
        let traced = Traced::seize(self.pid)?;
        // A process that lives now has not been reaped, and has had its number all the time. Another one is
        // released by the end of this thread.
        if self.has_ended() { Err(Errno::SRCH.into()) } else { Ok(traced) }
    }

    /// Returns whether the process is dead. Its number is its own if it is not.
    pub(crate) fn has_ended(&self) -> bool {
        let fate = self.fate();
        fate.reaped || !matches!(self.look(WaitIdOptions::EXITED), Ok(None))
    }

    /// Returns the process's resident memory, in bytes. Returns `None` once it is reaped, and 0 between its
    /// death and then.
    pub(crate) fn resident_memory(&self) -> Option<u64> {
        self.of_its_own(|| memory_of(self.pid, |statm| statm.split(' ').nth(1)?.parse().ok()))
    }

    /// Returns the limit of its memory that no cgroup holds, in bytes.
    pub(crate) fn watched_limit(&self) -> Option<u64> {
        self.fate().confinement.watched
    }

    /// Returns the resident memory that is the process's own, in bytes, unless it is reaped. If that is above the
    /// limit, kills the group.
    pub(crate) fn own_memory_or_kill(&self) -> Option<u64> {
        let limit = self.watched_limit()?;
        let own = memory_of(self.pid, memory_limit::own_pages)?;
        let mut fate = self.fate();
        if fate.reaped {
            return None;
        }
        if memory_limit::is_above(limit, own) && !fate.killed && !fate.is_above_limit {
            fate.is_above_limit = matches!(self.look(WaitIdOptions::EXITED), Ok(None));
            self.kill_locked(&mut fate);
        }
        Some(own)
    }

    /// Returns whether the process is above the limit of its memory that no cgroup holds.
    pub(crate) fn is_above_limit(&self) -> bool {
        let own = || self.of_its_own(|| memory_of(self.pid, memory_limit::own_pages));
        let is_above = |limit| own().is_some_and(|own| memory_limit::is_above(limit, own));
        self.watched_limit().is_some_and(is_above)
    }

    /// Sends SIGKILL to the whole group, unless the leader was reaped already. If there is a cgroup, kills
    /// processes that have left the group, too.
    pub(crate) fn kill_group(&self) {
        if !self.home.is_here() {
            return;
        }
        let mut fate = self.fate();
        if !fate.reaped {
            self.kill_locked(&mut fate);
        }
    }

    fn kill_locked(&self, fate: &mut Fate) {
        let found = self.look(WaitIdOptions::EXITED);
        let is_gone = matches!(found, Err(Errno::CHILD));
        // A kill for its memory is the worker's own doing, and is no kill that this process had asked for.
        fate.killed |= matches!(found, Ok(None)) && !fate.is_above_limit;
        // If the host ignores SIGCHLD or waits for every child, the dead are reaped elsewhere (ECHILD). The
        // pid may then belong to another process.
        if !group::kill(self.pidfd.as_fd()) && !is_gone {
            // ESRCH: the group is empty, which is not an error.
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        }
        // A process that was forked from a template leads no group in its first moment.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        fate.confinement.cgroups().for_each(WorkerCgroup::kill);
    }

    /// Kills the rest of the group and reaps the leader, which must be dead already.
    pub(crate) fn bury(&self) -> Reaped {
        self.kill_group();
        // Read from a zombie: it uses nothing further, and its pid is still its own.
        let own = Usage::of(self.pid);
        let mut fate = self.fate();
        orphans::forget(self.pid);
        let result = self.reap(Patience::Wait);
        fate.reaped = true;
        let killer = fate.oom.take().filter(|_| !fate.killed);
        let (confinement, is_above_limit) = (std::mem::take(&mut fate.confinement), fate.is_above_limit);
        drop(fate);
        // ECHILD: the host process ignores SIGCHLD or waits for every child. The worker is dead, but its exit
        // status is lost.
        let mut reaped = result.ok().flatten().unwrap_or_else(Reaped::unknown);
        if reaped.exit.signal() == Some(Signal::KILL.as_raw()) {
            reaped.oom_killed = killer.is_some_and(Watch::has_killed);
            let group = confinement.memory.as_ref().filter(|_| reaped.oom_killed);
            let counted = group.filter(|group| group.is_limit_reached()).map(|_| MemoryCount::Cgroup);
            reaped.above_limit = is_above_limit.then_some(MemoryCount::Resident).or(counted);
        }
        // Removes the directories of the cgroups as well.
        drop(confinement);
        own.map_or(Reaped { peak_memory: None, ..reaped }, |own| own.of_its_own(reaped))
    }

    /// Returns the group whose file counts the kernel's OOM kills.
    pub(crate) fn oom_group(&self) -> Option<Arc<Group>> {
        self.fate().oom.as_ref().map(Watch::group)
    }

    /// Records that the process was idle after these kills were counted, so the kernel's OOM killer had
    /// killed another one.
    pub(crate) fn rests(&self, kills: &OomKills) {
        if let Some(oom) = &mut self.fate().oom {
            oom.renew(kills);
        }
    }

    /// Returns the resources that the process itself has used so far, or `None` once it is reaped.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.of_its_own(|| Usage::of(self.pid))
    }

    /// Returns what `read` finds out by the pid, unless that may be another process's.
    fn of_its_own<R>(&self, read: impl FnOnce() -> Option<R>) -> Option<R> {
        let found = read();
        // Not reaped now, so not reaped before.
        found.filter(|_| !self.fate().reaped)
    }

    /// Call it only with the fate locked. If other code has reaped the process, this does not wait for its
    /// pid. The pid may belong to another child, which would be waited for.
    fn reap(&self, patience: Patience) -> io::Result<Option<Reaped>> {
        match self.look(WaitIdOptions::EXITED) {
            Err(Errno::CHILD) => Err(Errno::CHILD.into()),
            _ => wait::reap(self.pid, patience),
        }
    }

    /// Returns whether this process killed it, instead of finding it dead.
    pub(crate) fn was_killed(&self) -> bool {
        self.fate().killed
    }

    /// Looks for a change of state, without waiting for it or consuming it. Must not be called once the
    /// process is reaped.
    fn look(&self, change: WaitIdOptions) -> rustix::io::Result<Option<WaitIdStatus>> {
        let look = change | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let found = rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), look);
        // A process that is stopped for a moment, for its stack, is reported to everybody in the process that traces
        // it, whatever was asked for.
        found.map(|found| found.filter(|it| !it.trapped()))
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what `pages` finds in `/proc/<pid>/statm`, in bytes.
fn memory_of(pid: Pid, pages: impl FnOnce(&str) -> Option<u64>) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    pages(&statm)?.checked_mul(rustix::param::page_size() as u64)
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
        orphans::forget(self.pid);
        if matches!(self.reap(Patience::Look), Ok(None)) {
            let pid = self.pid;
            // A killed process may take a moment to die, and a destructor must not wait for it. If no thread
            // can be started, the zombie stays until this process ends; it no longer runs anything.
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
            // Looking does not consume the change of state.
            assert!(process.is_stopped());
            signal(Signal::CONT);
            until(|| !process.is_stopped());
        }
        signal(Signal::STOP);
        until(|| process.is_stopped());
        process.bury();
        assert!(!process.is_stopped());
    }

    #[test]
    fn only_a_child_is_adopted_and_it_is_killed_before_it_leads_a_group() {
        for stranger in [rustix::process::getpid(), rustix::process::getppid().expect("a parent")] {
            let error = Process::adopted(stranger).expect_err("it is no child");
            assert_eq!(error.to_string(), format!("process {stranger} is no child of this one"));
        }
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep is spawned");
        let process = Process::adopted(Pid::from_child(&child)).expect("a child");
        process.kill_group();
        let reaped = process.bury();
        assert_eq!(reaped.exit.signal(), Some(Signal::KILL.as_raw()));
        child.wait().expect_err("it was reaped");
    }

    #[tokio::test]
    async fn resident_memory_is_in_bytes_and_ends_with_the_process() {
        let process = sleep().await;
        // The process runs. How much it has mapped by now is unknown.
        let bytes = process.resident_memory().expect("a living process");
        assert!((1..1 << 30).contains(&bytes) && bytes % 1024 == 0, "{bytes}");
        process.bury();
        assert_eq!(process.resident_memory(), None);
    }
}
