//! Executables as subprocesses: run to their end, or started and listening.

use crate::PATIENCE;
use crate::binaries::binary;
use crate::server::Scratch;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The result of a program that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, or `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a program to its end, without input.
///
/// # Panics
/// When it does not start, does not end, or writes what is not text.
pub async fn run(program: impl AsRef<Path>, args: &[&str]) -> Ended {
    let mut command = Command::new(program.as_ref());
    finish(command.args(args)).await
}

/// The same for a command that is already made.
///
/// # Panics
/// When it does not start, does not end, or writes what is not text.
pub async fn finish(command: &mut Command) -> Ended {
    // A person's own settings for logs do not belong to the test.
    let command = command.env_remove("RUST_LOG").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.expect("the program ends").expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A program that listens; killed when dropped.
#[derive(Debug)]
pub struct Program {
    /// The process.
    pub child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its directory for temporary files, if it was given one of its own.
    pub scratch: Option<Scratch>,
}

impl Program {
    /// Starts an example that serves, on a free port.
    pub async fn example(name: &str) -> Self {
        let scratch = Scratch::new();
        let mut command = Command::new(binary(&format!("examples/{name}")));
        command.arg("0").env("TMPDIR", scratch.path()).env_remove("XDG_RUNTIME_DIR");
        let program = Self::announcing(command, "Server running on ").await;
        Self { scratch: Some(scratch), ..program }
    }

    /// Starts a program and waits for the line in which it tells its address, after these words.
    ///
    /// # Panics
    /// When it ends before that.
    pub async fn announcing(mut command: Command, words: &str) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a piped stdout")).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await.expect("the program's output") {
                if let Some((_, address)) = line.split_once(words) {
                    return address.trim().parse().expect("an address");
                }
            }
            panic!("the program ended before it listened");
        };
        let address = tokio::time::timeout(PATIENCE, listening).await.expect("the program listens");
        Self { child, address, scratch: None }
    }

    /// Returns its process id.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the program runs")
    }
}
