//! The server under test as a process: how it is started, what can be seen of it from outside, how it ends.

use super::forks;
use super::log;
use super::scenario;
use super::victim::children_of_pools;
use crate::process;
use crate::program::Program;
use crate::server::Scratch;
use rustix::process::{Pid, Signal, WaitOptions, getpid, set_child_subreaper, waitpid};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{ChildStderr, Command};

/// For the server to end after its signal; its own limits are below that.
const PATIENCE: Duration = Duration::from_secs(40);

impl Sample {
    /// Children that are no templates.
    pub(crate) fn workers(&self) -> usize {
        self.children.saturating_sub(self.templates)
    }

    /// Nothing is left of what has happened since.
    pub(crate) fn is_no_more_than(&self, before: &Self) -> bool {
        self.zombies + self.orphans == 0
            && self.descriptors <= before.descriptors
            && self.threads <= before.threads
            && self.files.is_subset(&before.files)
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Subject {
    program: Program,
    scratch: Scratch,
    /// Its process id, also when it has ended.
    pub(crate) pid: u32,
}

/// The figures that can be counted of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    pub(crate) children: usize,
    /// Those of them that fork workers.
    pub(crate) templates: usize,
    pub(crate) zombies: usize,
    /// Files and sockets below its directory for temporary files.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Processes whose worker is gone and that live on.
    pub(crate) orphans: usize,
}

impl Subject {
    /// Starts the server that lies beside this program.
    ///
    /// # Errors
    /// When there is none, or its directory cannot be made.
    pub(crate) async fn start() -> io::Result<(Self, ChildStderr)> {
        // A process that loses a worker as its parent becomes our child, where it can be seen.
        set_child_subreaper(Some(getpid()))?;
        let scratch = Scratch::new();
        let temporary = scratch.path().join("tmp");
        fs::create_dir(&temporary)?;
        let config = scratch.write("procpool.toml", &scenario::config());
        // A Ctrl-C is for us, and a SIGHUP is a reload only where there is no terminal.
        let mut command = Command::new("setsid");
        command.arg(beside("procpool")?).args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
        command.env("TMPDIR", temporary).env_remove("XDG_RUNTIME_DIR").env("RUST_LOG", log::FILTER);
        command.stderr(Stdio::piped());
        let mut program = Program::announcing(command, "listening on http://").await;
        let stderr = program.child.stderr.take().ok_or_else(|| io::Error::other("the server has no log"))?;
        let pid = program.pid();
        Ok((Self { program, scratch, pid }, stderr))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.program.address
    }

    /// Returns the file to which jobs append.
    pub(crate) fn effects_file(&self) -> PathBuf {
        self.scratch.path().join("effects.log")
    }

    /// Counts everything that can be counted.
    pub(crate) fn sample(&self) -> Sample {
        self.reap_adopted();
        let count = |of: &str| fs::read_dir(format!("/proc/{}/{of}", self.pid)).map_or(0, Iterator::count);
        let mut files = BTreeSet::new();
        let children = children_of_pools(self.pid);
        list(&self.scratch.path().join("tmp"), &mut files);
        Sample {
            descriptors: count("fd"),
            threads: count("task"),
            children: children.len(),
            templates: children.iter().filter(|&&pid| forks::is_template(pid)).count(),
            zombies: process::zombies(self.pid).len(),
            files,
            orphans: self.adopted().len(),
        }
    }

    /// Sends SIGTERM and waits for the end. Returns `None` if it does not come.
    pub(crate) async fn end(&mut self) -> Option<ExitStatus> {
        process::signal(self.pid, Signal::TERM);
        tokio::time::timeout(PATIENCE, self.program.child.wait()).await.ok()?.ok()
    }

    fn adopted(&self) -> Vec<u32> {
        process::children(std::process::id()).into_iter().filter(|&pid| pid != self.pid).collect()
    }

    /// Only those who have ended, and never the server, for whose end somebody else waits.
    fn reap_adopted(&self) {
        for pid in self.adopted() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // One that is still alive, or that was reaped meanwhile, is no error.
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
    }
}

/// Returns the resident memory of a process in bytes, or `None` if it is gone.
pub(crate) fn resident_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

pub(crate) fn beside(name: &str) -> io::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    let missing = format!("{} is missing; `cargo build --workspace --bins` makes it", path.display());
    Err(io::Error::new(io::ErrorKind::NotFound, missing))
}

fn list(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&path, found);
        }
        found.insert(path);
    }
}
