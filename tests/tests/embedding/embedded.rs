//! A server on a Unix socket, as a host program has one: its first line is read, and it is asked by the socket.

use procpool_tests::binaries::binary;
use procpool_tests::http::{self, Answer};
use procpool_tests::server::Scratch;
use procpool_tests::verbs::Verb;
use procpool_tests::{PATIENCE, eventually};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdout, Command};

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Killed when dropped.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) socket: PathBuf,
    /// The first line on standard output, with its newline.
    pub(crate) first_line: String,
}

/// Returns the command that serves this configuration, as a file of the directory, on the socket.
pub(crate) fn command(scratch: &Scratch, config: &str, socket: &Path) -> Command {
    let file = scratch.write("procpool.toml", config);
    let mut command = Command::new(binary("procpool"));
    command.args(["serve", "--config"]).arg(file).arg("--listen").arg(format!("unix:{}", socket.display()));
    command.env("TMPDIR", scratch.path()).env_remove("XDG_RUNTIME_DIR").env_remove("RUST_LOG");
    command
}

impl Embedded {
    /// Starts a server of this configuration on a socket in the directory.
    pub(crate) async fn start(scratch: &Scratch, config: &str) -> Self {
        let socket = scratch.path().join("http.sock");
        let command = command(scratch, config, &socket);
        Self::by(command, socket).await
    }

    /// Starts it by this command, which listens on the socket.
    ///
    /// # Panics
    /// When it prints nothing.
    pub(crate) async fn by(mut command: Command, socket: PathBuf) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        Self::announced(command.spawn().expect("the server starts"), socket).await
    }

    /// Waits for the first line of one that was started with a pipe for it.
    pub(crate) async fn announced(mut child: Child, socket: PathBuf) -> Self {
        let mut stdout = BufReader::new(child.stdout.take().expect("a piped stdout"));
        let mut first_line = String::new();
        let read = tokio::time::timeout(PATIENCE, stdout.read_line(&mut first_line)).await;
        assert!(read.expect("a line").expect("text") > 0, "the server ended before it listened");
        Self { child, stdout, socket, first_line }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Waits until it has ended, and returns the rest of its output, too.
    pub(crate) async fn ended(&mut self) -> (ExitStatus, String) {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).await.expect("text");
        (ended.expect("the server ends").expect("an exit status"), rest)
    }

    /// Sends a request for this host, and leaves the answer to be read.
    pub(crate) async fn open(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).await.expect("a connection");
        http::send(stream, host, method, path, headers, body).await.expect("a request")
    }

    /// Any request.
    pub(crate) async fn request(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        http::finish(self.open(host, method, path, headers, b"").await).await.expect("an answer")
    }

    /// Begins a job of the pool `verbs`.
    pub(crate) async fn begin(&self, verb: &Verb) -> UnixStream {
        let body = serde_json::to_vec(verb).expect("a verb is JSON");
        self.open("localhost", "POST", "/v1/pools/verbs/jobs", &[JSON], &body).await
    }

    pub(crate) async fn perform(&self, verb: &Verb) -> Answer {
        http::finish(self.begin(verb).await).await.expect("an answer")
    }

    pub(crate) async fn pool(&self) -> Value {
        self.request("localhost", "GET", "/v1/pools/verbs", &[]).await.json()
    }

    /// Waits until the pool has this number of workers in this state.
    pub(crate) async fn workers(&self, state: &str, count: u64) {
        let there = async || (self.pool().await["workers"][state] == count).then_some(());
        eventually(&format!("{count} {state} workers"), there).await;
    }
}
