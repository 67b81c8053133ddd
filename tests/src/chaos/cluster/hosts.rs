//! Nodes and servers of procpool: how each is started, killed and told to end.

use super::super::log;
use super::super::subject::beside;
use super::super::victim::{Victim, children_of_pools};
use super::plan::LEASE;
use super::run::Run;
use crate::process;
use crate::program::{self, Ended};
use crate::server::Scratch;
use rustix::process::Signal;
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::{sleep, timeout};

/// For a process to say that it runs, through outages of nats-server.
const START: Duration = Duration::from_secs(90);

/// For a process to end after SIGTERM; its own limits are below that.
const END: Duration = Duration::from_secs(60);

/// For workers of a killed node, which the kernel kills, to be gone.
const DYING: Duration = Duration::from_secs(2);

/// Lines of log that a time without nats-server explains, by a part of their text: a start without one fails.
const EXPLAINED: &[&str] = &["cannot connect to", "the server did not answer within", "nobody answers at"];

/// The part that a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It accepts jobs over HTTP.
    Front,
    /// It runs them.
    Node,
}

/// Where the processes run.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) scratch: Scratch,
    pub(super) config: PathBuf,
}

/// A process.
#[derive(Debug)]
pub(super) struct Host {
    child: Child,
    pub(super) pid: u32,
    /// The address of a front, or the name of a node.
    pub(super) name: String,
    since: Instant,
    /// Number of times that a nats-server had been away when it began.
    outages: u64,
}

/// A host as the cluster tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) state: String,
    /// Number of jobs whose outcome it has decided.
    pub(super) decided: u64,
    pub(super) late: u64,
    pub(super) fenced: u64,
}

impl Part {
    const fn words(self) -> &'static str {
        match self {
            Self::Front => "listening on http://",
            Self::Node => "running as ",
        }
    }
}

impl Place {
    /// Starts a process, and waits until it says that it runs. One that finds no nats-server ends, and is started again.
    pub(super) async fn start(&self, run: &Arc<Run>, part: Part) -> io::Result<Host> {
        let begun = Instant::now();
        while begun.elapsed() < START {
            let mut child = self.command(part)?.spawn()?;
            let pid = child.id().ok_or_else(|| io::Error::other("it has no process id"))?;
            if let Some(log) = child.stderr.take() {
                tokio::spawn(hear(run.clone(), part, log));
            }
            let Some(stdout) = child.stdout.take() else { continue };
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Ok(Some(line))) = timeout(START, lines.next_line()).await {
                if let Some((_, name)) = line.split_once(part.words()) {
                    let mut faults = run.faults.open();
                    faults.starts.push(begun.elapsed());
                    let (name, outages) = (name.trim().to_owned(), faults.outages());
                    return Ok(Host { child, pid, name, since: Instant::now(), outages });
                }
            }
            let _ = child.kill().await;
            // sleep: as a service manager, which does not start it again at once.
            sleep(Duration::from_millis(200)).await;
        }
        Err(io::Error::other(format!("a {part:?} does not run within {START:?}")))
    }

    fn command(&self, part: Part) -> io::Result<Command> {
        // A Ctrl-C is for us, and a SIGHUP is a reload only where there is no terminal.
        let mut command = Command::new("setsid");
        command.arg(beside("procpool")?);
        match part {
            Part::Front => command.args(["serve", "--listen", "127.0.0.1:0"]),
            Part::Node => command.arg("node"),
        };
        command.arg("--config").arg(&self.config);
        command.env("TMPDIR", self.scratch.path().join("tmp")).env_remove("XDG_RUNTIME_DIR");
        command.env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        Ok(command)
    }

    /// Runs `procpool cluster` with these arguments.
    pub(super) async fn cluster(&self, args: &[&str]) -> io::Result<Ended> {
        let mut command = Command::new(beside("procpool")?);
        Ok(program::finish(command.arg("cluster").args(args).arg("--config").arg(&self.config)).await)
    }

    /// Returns the nodes as `procpool cluster status` tells of them.
    pub(super) async fn nodes(&self) -> io::Result<Vec<Told>> {
        let said = self.cluster(&["status", "-o", "json"]).await?;
        let nodes: Vec<Value> = serde_json::from_str(&said.stdout)
            .map_err(|error| io::Error::other(format!("`procpool cluster status`: {error}: {said:?}")))?;
        let text = |node: &Value, key: &str| node[key].as_str().unwrap_or_default().to_owned();
        let number = |node: &Value, key: &str| node[key].as_u64().unwrap_or_default();
        Ok(nodes
            .iter()
            .map(|node| Told {
                name: text(node, "node"),
                state: text(node, "state"),
                decided: number(node, "told") + number(node, "decided"),
                late: number(node, "late"),
                fenced: number(node, "fenced"),
            })
            .collect())
    }
}

impl Host {
    /// Returns whether the cluster may not have heard of it: it is new, or nats-server was away while it was.
    pub(super) fn is_unknown(&self, run: &Run) -> bool {
        let age = self.since.elapsed();
        age < LEASE / 2 || (age < 3 * LEASE && run.faults.open().outages() > self.outages)
    }

    pub(super) fn signal(&self, signal: Signal) {
        process::signal(self.pid, signal);
    }

    /// SIGKILL. Tells of workers that outlive it.
    pub(super) async fn kill(&mut self, run: &Run) {
        let held = |child| Victim::hold(child, self.pid);
        let workers: Vec<_> = children_of_pools(self.pid).into_iter().filter_map(held).collect();
        // Of a child that is killed, the status is known.
        let _ = self.child.kill().await;
        let begun = Instant::now();
        let lives = |worker: &&Victim| worker.signal(Signal::CONT) && process::is_alive(worker.pid);
        while workers.iter().any(|worker| lives(&worker)) && begun.elapsed() < DYING {
            // sleep: between two looks.
            sleep(Duration::from_millis(5)).await;
        }
        let left = &mut run.faults.open().left;
        workers.iter().filter(lives).for_each(|worker| left.note(|| format!("worker {}", worker.pid)));
    }

    /// SIGTERM, and its end.
    pub(super) async fn terminate(&mut self, run: &Run) {
        self.signal(Signal::TERM);
        let bad = match timeout(END, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => return,
            Ok(ended) => format!("{} ended with {ended:?}", self.name),
            Err(_) => format!("{} did not end within {END:?}", self.name),
        };
        run.faults.open().bad_ends.note(|| bad);
        let _ = self.child.kill().await;
    }
}

/// Reads a log to its end. A line that a kill has cut short is none.
async fn hear(run: Arc<Run>, part: Part, stderr: ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(1..) = stderr.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line);
        let is_bad = text.ends_with('\n') && log::Line::parse(text.trim_end(), &run.clock) == log::Line::Bad;
        if is_bad && !EXPLAINED.iter().any(|part| text.contains(part)) {
            run.complaints
                .open()
                .note(|| format!("{part:?}: {}", text.chars().take(300).collect::<String>()));
        }
        line.clear();
    }
}
