//! One worker process, from spawn to reap: its pidfd, its group, and the promise that a number is
//! never signalled after it was reaped.

use super::descriptors;
use super::group;
use super::limits;
use super::usage::Usage;
use super::wait::{self, Patience, Reaped};
use super::worker_cgroup::WorkerCgroup;
use crate::worker_limits::WorkerLimits;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Instant;
use tokio::sync::oneshot;

/// What to spawn.
#[derive(Debug)]
pub(crate) struct SpawnRequest {
    /// Absolute, or std would fall back from `posix_spawn` to `fork`.
    pub(crate) program: PathBuf,
    /// Keeps a descriptor open that `program` may be named by.
    pub(crate) pinned: Option<Arc<File>>,
    /// What the worker sees as its own name.
    pub(crate) arg0: OsString,
    pub(crate) args: Vec<OsString>,
    /// The whole environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) current_dir: Option<PathBuf>,
    /// Set before anything is written to its standard input.
    pub(crate) limits: WorkerLimits,
    /// Written to its standard input, which is then closed.
    pub(crate) stdin: Vec<u8>,
}

/// A process that was just spawned, with the reading ends of its output.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) process: Process,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// A child that leads a process group of its own.
///
/// Dropped before it was reaped, it is killed with its group and reaped in the background.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    pidfd: OwnedFd,
    started: Instant,
    /// Held while signalling and while reaping: a pid is free for others once it is reaped.
    fate: Mutex<Fate>,
}

/// What was done to a process.
#[derive(Debug, Default)]
struct Fate {
    /// It was sent SIGKILL, and was alive shortly before.
    killed: bool,
    reaped: bool,
    /// Killed along with the group, until it is removed.
    cgroup: Option<WorkerCgroup>,
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Whether it is stopped, by SIGSTOP for one: alive, and doing nothing until it is continued.
    pub(crate) fn is_stopped(&self) -> bool {
        let fate = self.fate();
        !fate.reaped && self.look(WaitIdOptions::STOPPED).is_ok_and(|found| found.is_some())
    }

    /// Memory that it has resident now, in bytes. None once it is reaped; 0 from its death until then.
    pub(crate) fn resident_memory(&self) -> Option<u64> {
        // Held while the file is read: its name is the pid.
        let fate = self.fate();
        let pages = if fate.reaped { None } else { resident_pages(self.pid) };
        pages?.checked_mul(rustix::param::page_size() as u64)
    }

    /// Sends SIGKILL to the whole group, and to what has left it as far as there is a cgroup, unless the leader was
    /// reaped already.
    pub(crate) fn kill_group(&self) {
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

    /// Kills what is left of the group and reaps the leader, which must be dead already.
    pub(crate) fn bury(&self) -> Reaped {
        self.kill_group();
        let mut fate = self.fate();
        // Of a zombie: it uses nothing more, and its number is still its own.
        let own = Usage::of(self.pid);
        let result = self.reap(Patience::Wait);
        fate.reaped = true;
        let cgroup = fate.cgroup.take();
        drop(fate);
        drop(cgroup);
        // ECHILD: the host process ignores SIGCHLD or waits for every child. The worker is dead all
        // the same, only how it died is lost.
        let reaped = result.ok().flatten().unwrap_or_else(Reaped::unknown);
        own.map_or(reaped, |own| Reaped {
            cpu_time: own.cpu_time,
            others_memory: own.others_memory(),
            ..reaped
        })
    }

    /// What it has used by itself so far. None once it is reaped.
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

    /// Whether it was killed by us, rather than found dead.
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

/// The second field of `/proc/<pid>/statm`.
fn resident_pages(pid: Pid) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    statm.split(' ').nth(1)?.parse().ok()
}

/// Readable once the process is dead.
impl AsRawFd for Process {
    fn as_raw_fd(&self) -> RawFd {
        self.pidfd.as_raw_fd()
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.fate().reaped {
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

type Reply = oneshot::Sender<io::Result<Spawned>>;

/// Spawns on the one thread that spawns every worker of this process.
///
/// A worker asks the kernel to be killed when its parent dies, and the kernel takes the *thread* that
/// spawned it for the parent. This thread therefore lives as long as the process.
pub(crate) async fn spawn(request: SpawnRequest) -> io::Result<Spawned> {
    let (reply, result) = oneshot::channel();
    let lost = || io::Error::other("the spawner thread is gone");
    spawner()?.send((request, reply)).map_err(|_| lost())?;
    result.await.map_err(|_| lost())?
}

/// The way to the spawner thread. Unbounded, and yet bounded: a pool has at most one request under
/// way for each worker that it may start.
fn spawner() -> io::Result<&'static mpsc::Sender<(SpawnRequest, Reply)>> {
    static SPAWNER: OnceLock<mpsc::Sender<(SpawnRequest, Reply)>> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(spawner) = SPAWNER.get() {
        return Ok(spawner);
    }
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if SPAWNER.get().is_none() {
        let (requests, inbox) = mpsc::channel::<(SpawnRequest, Reply)>();
        std::thread::Builder::new().name("procpool-spawner".into()).spawn(move || {
            if let Err(error) = descriptors::keep_from_children() {
                tracing::warn!(%error, "workers inherit what this process had open when it was started");
            }
            for (request, reply) in inbox {
                // Whoever asked has given up meanwhile.
                if reply.is_closed() {
                    continue;
                }
                // If nobody waits any more, dropping the process kills it.
                let _ = reply.send(spawn_here(request));
            }
        })?;
        let _ = SPAWNER.set(requests);
    }
    SPAWNER.get().ok_or_else(|| io::Error::other("the spawner thread did not start"))
}

fn spawn_here(request: SpawnRequest) -> io::Result<Spawned> {
    let mut command = Command::new(&request.program);
    command.arg0(&request.arg0).args(&request.args);
    command.env_clear().envs(request.env.iter().map(|(key, value)| (key, value)));
    if let Some(dir) = &request.current_dir {
        command.current_dir(dir);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // No `pre_exec`: it would force `fork`, whose cost grows with this process's memory.
    let started = Instant::now();
    let mut child = command.process_group(0).spawn()?;
    drop(request.pinned);
    let pid = Pid::from_child(&child);
    let pidfd = match rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(pidfd) => pidfd,
        Err(error) => {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            let _ = wait::reap(pid, Patience::Wait);
            return Err(error.into());
        }
    };
    let mut process = Process { pid, pidfd, started, fate: Mutex::default() };
    // Whatever fails from here on, dropping the process kills it.
    let cgroup = limits::confine(pid, &request.limits).map_err(io::Error::other)?;
    process.fate.get_mut().unwrap_or_else(PoisonError::into_inner).cgroup = cgroup;
    // A pipe takes the few bytes at once; a worker that closed its end is found out in the handshake.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(&request.stdin);
    }
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("a spawned worker has no output pipes"));
    };
    Ok(Spawned { process, stdout: stdout.into(), stderr: stderr.into() })
}

#[cfg(test)]
mod reuse;

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) async fn sleep() -> Process {
        let request = SpawnRequest {
            program: "/bin/sleep".into(),
            pinned: None,
            arg0: "sleep".into(),
            args: vec!["1000".into()],
            env: Vec::new(),
            current_dir: None,
            limits: WorkerLimits::default(),
            stdin: Vec::new(),
        };
        spawn(request).await.expect("sleep is spawned").process
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
