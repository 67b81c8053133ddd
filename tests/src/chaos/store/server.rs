//! The servers of a run: one after the other in one state directory, each with its log read.

use super::super::log::Line;
use super::super::subject::beside;
use super::super::victim::{Victim, children_of_pools};
use super::plan;
use super::run::Run;
use crate::process;
use crate::program::{self, Ended, Program};
use crate::server::Scratch;
use rustix::process::Signal;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStderr, Command};
use tokio::time::{sleep, timeout};

/// For a server to end after SIGTERM; its own limits are below that.
const PATIENCE: Duration = Duration::from_secs(40);

/// Where the servers run.
#[derive(Debug)]
pub(super) struct Place {
    scratch: Scratch,
    config: PathBuf,
}

/// The server of the moment.
#[derive(Debug)]
pub(super) struct Server(Program);

impl Place {
    pub(super) fn new() -> io::Result<Self> {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path().join("tmp"))?;
        let config = scratch.write("procpool.toml", &plan::config(&scratch.path().join("state")));
        Ok(Self { scratch, config })
    }

    /// Returns the file to which jobs append.
    pub(super) fn effects_file(&self) -> PathBuf {
        self.scratch.path().join("effects.log")
    }

    /// Starts a server, and tells the clients of it once it listens.
    ///
    /// # Panics
    /// When it does not listen.
    pub(super) async fn start(&self, run: &Arc<Run>) -> io::Result<Server> {
        let begun = Instant::now();
        let mut program = Program::announcing(self.command()?, "listening on http://").await;
        run.faults.open().starts.push(begun.elapsed());
        if let Some(log) = program.child.stderr.take() {
            tokio::spawn(hear(run.clone(), log));
        }
        run.server.send_replace(Some(program.address));
        Ok(Server(program))
    }

    /// Starts a server, and kills it after so long, whether it listens by then or not.
    pub(super) async fn start_in_vain(&self, run: &Arc<Run>, length: Duration) -> io::Result<()> {
        let mut child =
            self.command()?.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        if let Some(log) = child.stderr.take() {
            tokio::spawn(hear(run.clone(), log));
        }
        // sleep: the fault itself.
        sleep(length).await;
        run.faults.open().early_kills += 1;
        child.kill().await
    }

    /// Looks into the directory, which no server has.
    pub(super) async fn store(&self, verb: &str) -> io::Result<Ended> {
        let mut command = Command::new(beside("procpool")?);
        Ok(program::finish(command.args(["store", verb, "--config"]).arg(&self.config)).await)
    }

    fn command(&self) -> io::Result<Command> {
        // A Ctrl-C is for us, and a SIGHUP is a reload only where there is no terminal.
        let mut command = Command::new("setsid");
        command
            .arg(beside("procpool")?)
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&self.config);
        command.env("TMPDIR", self.scratch.path().join("tmp")).env_remove("XDG_RUNTIME_DIR");
        command.env("RUST_LOG", "warn").stderr(Stdio::piped());
        Ok(command)
    }
}

impl Server {
    pub(super) fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// SIGKILL. Returns the workers that it had, to be looked for later.
    pub(super) async fn kill(mut self, run: &Run) -> Vec<Victim> {
        let pid = self.pid();
        let workers =
            children_of_pools(pid).into_iter().filter_map(|child| Victim::hold(child, pid)).collect();
        process::signal(pid, Signal::KILL);
        run.server.send_replace(None);
        run.faults.open().server_kills += 1;
        // Of a child that is killed, the status is known.
        let _ = self.0.child.wait().await;
        workers
    }

    /// SIGTERM, and its end.
    pub(super) async fn terminate(mut self, run: &Run) {
        process::signal(self.pid(), Signal::TERM);
        let ended = timeout(PATIENCE, self.0.child.wait()).await;
        run.server.send_replace(None);
        match ended {
            Ok(Ok(status)) if status.success() => {}
            Ok(ended) => run.faults.open().bad_ends.note(|| format!("it ended with {ended:?}")),
            Err(_) => run.faults.open().bad_ends.note(|| format!("it did not end within {PATIENCE:?}")),
        }
    }
}

/// Reads a server's log to its end. A line that a kill has cut short is none.
async fn hear(run: Arc<Run>, log: ChildStderr) {
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    while let Ok(1..) = log.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line);
        if text.ends_with('\n') && Line::parse(text.trim_end(), &run.clock) == Line::Bad {
            run.complaints.open().note(|| text.chars().take(300).collect());
        }
        line.clear();
    }
}
