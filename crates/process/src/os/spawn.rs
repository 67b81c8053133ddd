//! Spawns one worker process: its descriptors, its limits, and its first message.

use super::birthplace::Birthplace;
use super::limits::{self, Confinement};
use super::open_files;
use super::posix_spawn::{Image, Plan};
use super::process::Process;
use super::spawners::{self, Task};
use crate::cause;
use crate::executable::Pinned;
use crate::worker_limits::WorkerLimits;
use bytes::Bytes;
use procpool_protocol::preamble::Preamble;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::sync::oneshot;

/// Added to this process's own `oom_score_adj`, so that the kernel kills the worker if memory runs out. Half
/// of the scale also spares a service that holds most of the memory.
const OOM_SCORE: i32 = 500;

/// The maximum score.
const MAX_OOM_SCORE: i32 = 1000;

/// The worker to spawn.
#[derive(Debug)]
pub(crate) struct SpawnRequest {
    pub(crate) pinned: Pinned,
    /// The whole environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) current_dir: Option<PathBuf>,
    /// Set before the worker receives its first message.
    pub(crate) limits: WorkerLimits,
    /// Descriptors from number 5 on.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// The first message to the worker, on its jobs connection after the preamble.
    pub(crate) welcome: Bytes,
}

/// A new process, with the coordinator's ends of its connections and pipes.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) process: Process,
    pub(crate) ends: Ends,
    /// Number of bytes of the welcome that the jobs connection has accepted.
    pub(crate) welcomed: usize,
}

/// When a spawner's thread took the request. Poll it: waking a task would cost a start too much.
pub(crate) type TakenUp = Arc<OnceLock<Instant>>;

/// Spawns on a thread that lives as long as this process.
pub(crate) async fn spawn(request: SpawnRequest, taken_up: TakenUp) -> io::Result<Spawned> {
    let (reply, result) = oneshot::channel();
    let executable = request.pinned.executable().as_path().to_owned();
    spawners::run(&executable, Box::new(Order { request, taken_up, reply }))?;
    let spawned = result.await.map_err(|_| io::Error::other("a spawner thread is gone"))??;
    // An error means that the process is dead already, or the system has no such score. Not on the spawner's
    // thread: while that runs, the kernel may let the child wait for the processor on which it was spawned.
    let _ = prefer_as_victim(spawned.process.pid());
    Ok(spawned)
}

/// A request on its way to a spawner thread.
struct Order {
    request: SpawnRequest,
    taken_up: TakenUp,
    reply: oneshot::Sender<io::Result<Spawned>>,
}

impl Task for Order {
    fn is_given_up(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(self: Box<Self>, birthplace: &Birthplace) {
        let Self { request, taken_up, reply } = *self;
        if !reply.is_closed() {
            let _ = taken_up.set(Instant::now());
            // Usually another process received a job just now, and both were woken at the same moment.
            std::thread::yield_now();
            // If no task waits any longer, dropping the process kills it.
            let _ = reply.send(spawn_here(&request, birthplace).map_err(cause::resources));
        }
    }
}

fn spawn_here(request: &SpawnRequest, birthplace: &Birthplace) -> io::Result<Spawned> {
    // A process that runs another program has received nothing.
    let discard = |spawned: Spawned| {
        spawned.process.bury();
    };
    request.pinned.look_at_scripts(request.current_dir.as_deref());
    let mut spawned = request.pinned.start(|file| spawn_program(request, file, birthplace), discard)?;
    spawned.welcomed = match spawned.ends.jobs.write(&request.welcome) {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        // The process died at once; the handshake finds out how.
        Err(_) => request.welcome.len(),
    };
    Ok(spawned)
}

/// Spawns a process that waits for its welcome.
fn spawn_program(
    request: &SpawnRequest,
    file: Option<&File>,
    birthplace: &Birthplace,
) -> io::Result<Spawned> {
    let null = rustix::fs::open(c"/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let (ends, its) = Ends::create()?;
    let given = std::iter::once(&null).chain(&its).chain(&request.descriptors).map(AsFd::as_fd);
    let descriptors: Vec<_> = given.chain(file.map(AsFd::as_fd)).collect();

    let (path, dir) = (request.pinned.executable().as_path(), request.current_dir.as_deref());
    let plan = plan(request, file.is_some())?;
    let make = || birthplace.make(plan, &descriptors);
    let process = Process::spawned(|| make().map_err(|error| cause::of_spawn(path, dir, file, error)))?;
    drop((null, its));
    // If a later step fails, dropping the process kills it.
    let process = process.confined(|pid| confine(pid, &request.limits))?;
    Ok(Spawned { process, ends, welcomed: 0 })
}

/// The coordinator's ends of a worker's pipes and connections.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) jobs: UnixStream,
    pub(crate) control: UnixStream,
}

impl Ends {
    /// Returns them with the worker's ends, which are its descriptors from 1 on. The jobs connection holds the
    /// preamble, which tells a worker that it is one.
    pub(crate) fn create() -> io::Result<(Self, [OwnedFd; 4])> {
        let (stdout, its_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, its_stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        let (mut jobs, its_jobs) = UnixStream::pair().map_err(cause::socket)?;
        let (control, its_control) = UnixStream::pair().map_err(cause::socket)?;
        for ours in [&jobs, &control] {
            ours.set_nonblocking(true)?;
        }
        jobs.write_all(&Preamble::ours().to_bytes())?;
        Ok((
            Self { stdout, stderr, jobs, control },
            [its_stdout, its_stderr, its_jobs.into(), its_control.into()],
        ))
    }
}

fn plan(request: &SpawnRequest, is_file: bool) -> io::Result<Plan> {
    let executable = request.pinned.executable();
    let path = cstring(executable.as_path().as_os_str())?;
    let args = std::iter::once(executable.as_path().as_os_str())
        .chain(executable.args().iter().map(OsString::as_os_str));
    let variables = request.env.iter().map(|(key, value)| [key, OsStr::new("="), value].join(OsStr::new("")));
    Ok(Plan {
        image: if is_file { Image::File } else { Image::Path(path) },
        args: args.map(cstring).collect::<io::Result<_>>()?,
        env: variables.map(|it| CString::new(it.into_vec()).map_err(nul)).collect::<io::Result<_>>()?,
        dir: request.current_dir.as_ref().map(|dir| cstring(dir.as_os_str())).transpose()?,
    })
}

pub(crate) fn confine(pid: Pid, worker: &WorkerLimits) -> io::Result<Confinement> {
    let confinement = limits::confine(pid, worker).map_err(io::Error::other)?;
    if worker.open_files_limit.is_none() {
        open_files::give_back(pid);
    }
    Ok(confinement)
}

/// Raising the score of one's own child needs no privilege. A system without scores chooses no victims.
fn prefer_as_victim(pid: u32) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(format!("/proc/{pid}/oom_score_adj"))?;
    // The child inherited this process's own score.
    let mut own = [0; 8];
    let length = file.read_at(&mut own, 0)?;
    let own = str::from_utf8(&own[..length]).ok().and_then(|score| score.trim().parse::<i32>().ok());
    let score = (own.unwrap_or_default() + OOM_SCORE).min(MAX_OOM_SCORE);
    file.write_all_at(score.to_string().as_bytes(), 0)
}

fn cstring(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(nul)
}

fn nul(_: std::ffi::NulError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a zero byte in a path, an argument or a variable")
}
