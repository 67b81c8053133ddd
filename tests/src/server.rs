//! A `procpool serve` of its own for a test: on a free port, with a directory for temporary files that the
//! test can look into, killed when dropped.

use crate::PATIENCE;
use crate::binaries::binary;
use crate::http::{self, Answer};
use crate::program::Program;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, Command};

/// A directory for one test, removed when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// Makes a fresh one with a short name, as sockets want it.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pp-test-{}-{number}", std::process::id()));
        // In a directory that others may write to, no socket is opened.
        std::fs::DirBuilder::new().mode(0o755).recursive(true).create(&path).expect("a scratch directory");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file in the scratch directory");
        path
    }

    /// Returns the names in it, but for the files that the test wrote with an extension.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).expect("the scratch directory");
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_none()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The line that opens the socket of [`Server::order`].
pub const TAKES_ORDERS: &str = "[server]\norders = \"orders.sock\"\n";

/// Returns a shell that runs this script and then becomes the server.
pub fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("set -e; {script}; exec \"$0\" \"$@\"")]).arg(binary("procpool"));
    command
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    /// Its directory for temporary files, with the files of the test.
    pub scratch: Scratch,
}

impl Server {
    /// Starts the built-in configuration.
    pub async fn start() -> Self {
        Self::spawn(Scratch::new(), None).await
    }

    /// Starts with this configuration.
    pub async fn with_config(config: &str) -> Self {
        let scratch = Scratch::new();
        let file = scratch.write("procpool.toml", config);
        Self::spawn(scratch, Some(file)).await
    }

    /// Starts with this configuration and verbose logs, which only the owner of the returned reader sees.
    ///
    /// # Panics
    /// When it does not listen.
    pub async fn with_logs(config: &str) -> (Self, ChildStderr) {
        let mut command = Command::new(binary("procpool"));
        command.arg("-vv");
        Self::logging(command, config).await
    }

    /// Starts with this configuration by this command, and gives back its log.
    ///
    /// # Panics
    /// When it does not listen.
    pub async fn logging(command: Command, config: &str) -> (Self, ChildStderr) {
        Self::logging_in(command, Scratch::new(), config).await
    }

    /// The same in a directory that has files of the test already.
    ///
    /// # Panics
    /// When it does not listen.
    pub async fn logging_in(mut command: Command, scratch: Scratch, config: &str) -> (Self, ChildStderr) {
        let file = scratch.write("procpool.toml", config);
        command.stderr(Stdio::piped());
        let mut server = Self::start_as(command, scratch, Some(file)).await;
        let logs = server.child.stderr.take().expect("a piped stderr");
        (server, logs)
    }

    /// Starts with this configuration by this command, which may have set an environment or another user.
    pub async fn by_command(command: Command, scratch: Scratch, config: &str) -> Self {
        let file = scratch.write("procpool.toml", config);
        Self::start_as(command, scratch, Some(file)).await
    }

    async fn spawn(scratch: Scratch, config: Option<PathBuf>) -> Self {
        Self::start_as(Command::new(binary("procpool")), scratch, config).await
    }

    async fn start_as(mut command: Command, scratch: Scratch, config: Option<PathBuf>) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.args(config.iter().flat_map(|file| [Path::new("--config"), file]));
        command.env("TMPDIR", scratch.path()).env_remove("XDG_RUNTIME_DIR");
        let Program { child, address, .. } = Program::announcing(command, "listening on http://").await;
        Self { child, address, scratch }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its process id.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Returns the process ids of a pool's workers.
    ///
    /// # Panics
    /// When there is no such pool.
    pub async fn workers(&self, pool: &str) -> Vec<u32> {
        let answer = http::get(self.address, &format!("/v1/pools/{pool}/workers")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let workers = answer.json()["workers"].as_array().cloned().unwrap_or_default();
        workers
            .iter()
            .filter_map(|worker| worker["pid"].as_u64())
            .filter_map(|pid| u32::try_from(pid).ok())
            .collect()
    }

    /// Gives an order by its orders socket, such as a reload: a POST to this path. The configuration begins with
    /// [`TAKES_ORDERS`].
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn order(&self, path: &str) -> Answer {
        http::finish(self.begin_order(path).await).await.expect("an answer")
    }

    /// Gives an order by another method than POST.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn order_by(&self, method: &str, path: &str) -> Answer {
        let stream = UnixStream::connect(self.scratch.path().join("orders.sock")).await;
        let sent = http::send(stream.expect("an orders socket"), "localhost", method, path, &[], b"").await;
        http::finish(sent.expect("a request")).await.expect("an answer")
    }

    /// Gives an order with a body of JSON.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn order_with(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let stream = UnixStream::connect(self.scratch.path().join("orders.sock")).await;
        let stream = stream.expect("an orders socket");
        let sent = http::send(stream, "localhost", method, path, &[], body).await;
        http::finish(sent.expect("a request")).await.expect("an answer")
    }

    /// The same, leaving the answer to be read.
    ///
    /// # Panics
    /// When there is no orders socket.
    pub async fn begin_order(&self, path: &str) -> UnixStream {
        let stream = UnixStream::connect(self.scratch.path().join("orders.sock")).await;
        let sent = http::send(stream.expect("an orders socket"), "localhost", "POST", path, &[], b"").await;
        sent.expect("a request")
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("the server ends").expect("the server's exit status")
    }
}
