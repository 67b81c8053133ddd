//! Workers in other languages: the SDKs of this checkout, run by the interpreters of the machine.

use crate::contestant::Result;
use crate::places;
use procpool::{Encoding, Executable, Pool, job};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::Command;

job!(
    /// The job of `procpool-ping`, as JSON.
    pub Text, "ping", String => String {
        const ENCODING: Encoding = Encoding::Json;
    }
);

/// The worker `ping` in another language, or the reason why it is missing.
pub type Found = std::result::Result<Interpreted, String>;

/// A worker that an interpreter runs.
#[derive(Clone, Debug)]
pub struct Interpreted {
    interpreter: PathBuf,
    args: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
}

impl Interpreted {
    /// Finds `python3`, for `bench/workers/ping.py`.
    ///
    /// # Errors
    /// When the machine has no Python that runs.
    pub async fn python() -> Found {
        // Not a shim of a version manager, which each start of a worker would pay for.
        let interpreter = answer("python3", &["-c", "import sys; print(sys.executable)"]).await?;
        let path = std::env::join_paths([sdk_python(), places::checkout("bench/workers")]);
        let path = path.map_err(|error| error.to_string())?;
        let args = ["-m", "procpool", "ping:ping"].map(OsString::from).to_vec();
        Ok(Self {
            interpreter,
            args,
            env: vec![("PYTHONPATH", path), ("PYTHONDONTWRITEBYTECODE", "1".into())],
        })
    }

    /// Finds `node`, for `bench/workers/ping.js`.
    ///
    /// # Errors
    /// When the machine has no Node that runs.
    pub async fn node() -> Found {
        let interpreter = answer("node", &["-p", "process.execPath"]).await?;
        Ok(Self {
            interpreter,
            args: vec![places::checkout("bench/workers/ping.js").into()],
            env: Vec::new(),
        })
    }

    /// Starts a pool of this one.
    ///
    /// # Errors
    /// When the worker does not start.
    pub async fn pool(&self, workers: usize) -> Result<Pool<Text>> {
        let executable = Executable::path(&self.interpreter)?.with_args(self.args.clone());
        let pool = Pool::builder(executable).workers(workers..=workers).queue(1_000_000);
        let pool = self.env.iter().fold(pool, |pool, (name, value)| pool.env(*name, value));
        Ok(pool.start().await?)
    }

    /// Returns the pool `ping` for a server's configuration file.
    ///
    /// # Errors
    /// When a path is no UTF-8.
    pub fn config(&self, workers: usize) -> Result<String> {
        let words =
            std::iter::once(self.interpreter.as_os_str()).chain(self.args.iter().map(OsString::as_os_str));
        let command = words.map(|word| word.to_str()).collect::<Option<Vec<_>>>();
        let command = serde_json::to_string(&command.ok_or("a path is no UTF-8")?)?;
        let mut env = Vec::new();
        for (name, value) in &self.env {
            let value = value.to_str().ok_or("a path is no UTF-8")?;
            env.push(format!("{name} = {}", serde_json::to_string(value)?));
        }
        let env = env.join(", ");
        Ok(format!(
            "[pools.ping]\ncommand = {command}\nenv = {{ {env} }}\nmin_workers = {workers}\nmax_workers = {workers}\n"
        ))
    }
}

/// The folder of the Python package.
pub fn sdk_python() -> PathBuf {
    places::checkout("sdk/python")
}

/// Returns the path that an interpreter prints about itself.
async fn answer(program: &str, args: &[&str]) -> std::result::Result<PathBuf, String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().await;
    let output = output.map_err(|error| format!("`{program}` cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let said = said.trim();
    if output.status.success() && !said.is_empty() {
        return Ok(said.into());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program}` does not run: {}", why.lines().next_back().unwrap_or("it says nothing")))
}
