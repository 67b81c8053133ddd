//! The odd host as a subprocess: an order at a time, and its answer.

use crate::PATIENCE;
use crate::binaries::binary;
use crate::eventually;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A running host, killed when dropped.
#[derive(Debug)]
pub struct Host {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Host {
    /// Starts one by this command, to whose arguments the host and its own are added.
    ///
    /// # Panics
    /// When it does not start.
    pub fn by(mut command: Command) -> Self {
        command.args([binary("host"), binary("verbs")]);
        Self::start(command)
    }

    /// Starts one whose worker is started by this program with these arguments.
    ///
    /// # Panics
    /// When it does not start.
    pub fn of(worker: &[String]) -> Self {
        let mut command = Command::new(binary("host"));
        command.args(worker);
        Self::start(command)
    }

    /// Starts one by this very command.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the host starts");
        let orders = child.stdin.take().expect("a piped stdin");
        let answers = BufReader::new(child.stdout.take().expect("a piped stdout")).lines();
        Self { child, orders, answers }
    }

    /// Gives an order and waits for its answer.
    ///
    /// # Panics
    /// When there is none.
    pub async fn ask(&mut self, order: &str) -> String {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.expect("the host listens");
        let answer = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        let answer = answer.unwrap_or_else(|_| panic!("no answer to `{order}`"));
        answer.expect("the host's output").unwrap_or_else(|| panic!("the host ended at `{order}`"))
    }

    /// Returns its worker's process id.
    ///
    /// # Panics
    /// When it has none.
    pub async fn worker(&mut self) -> u32 {
        self.ask("run true").await;
        self.ask("worker").await.parse().expect("a process id")
    }

    /// Kills its worker, waits until it is gone, and gives the process id of the next one.
    pub async fn replaced(&mut self) -> u32 {
        let worker = self.worker().await;
        crate::process::kill(worker);
        eventually("the end of the worker", async || (!crate::process::is_alive(worker)).then_some(())).await;
        self.worker().await
    }

    /// Returns its process id.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the host runs")
    }
}
