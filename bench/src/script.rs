//! Peers that are programs of their own, most in other languages: a script that works once and prints one
//! line of JSON. The packages that a script needs are installed by name into a directory of its own, where
//! its language is there at all.

use crate::contestant::{Contestant, Measured, Result, by};
use crate::sample::Sample;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// The scripts, which travel inside this executable.
const SCRIPTS: &[(&str, &str)] = &[
    ("compute.js", include_str!("../peers/compute.js")),
    ("executors.py", include_str!("../peers/executors.py")),
    ("fastapi_server.py", include_str!("../peers/fastapi_server.py")),
    ("echo.js", include_str!("../peers/echo.js")),
    ("http.js", include_str!("../peers/http.js")),
    ("package.json", include_str!("../peers/package.json")),
    ("piscina.js", include_str!("../peers/piscina.js")),
    ("piscina_worker.js", include_str!("../peers/piscina_worker.js")),
    ("post_message.js", include_str!("../peers/post_message.js")),
    ("spawn.js", include_str!("../peers/spawn.js")),
    ("procspawn.rs", include_str!("../peers/procspawn.rs")),
    ("procspawn/Cargo.toml", include_str!("../peers/procspawn.toml")),
    ("pools.py", include_str!("../peers/pools.py")),
    ("requirements.txt", include_str!("../peers/requirements.txt")),
];

/// A turn takes seconds. A script's children that outlive it may keep its output open for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// Peers that are at hand, or why they are not.
#[derive(Clone, Debug)]
pub struct Peers {
    dir: PathBuf,
    node: std::result::Result<(), String>,
    piscina: std::result::Result<(), String>,
    python: std::result::Result<PathBuf, String>,
    procspawn: std::result::Result<PathBuf, String>,
}

/// The language of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Node,
    Piscina,
    Python,
    Procspawn,
}

/// The output of a script.
#[derive(Deserialize)]
struct Printed {
    value: f64,
    #[serde(default)]
    nanos: Vec<u64>,
}

impl Peers {
    /// None of them: they were not asked for.
    pub fn none() -> Self {
        let why = || "not asked for (--peers)".to_owned();
        let (node, piscina, python, procspawn) = (Err(why()), Err(why()), Err(why()), Err(why()));
        Self { dir: PathBuf::new(), node, piscina, python, procspawn }
    }

    /// Writes the scripts to `dir` and installs what they need there.
    ///
    /// # Errors
    /// When the scripts cannot be written. A package that cannot be installed is a missing peer.
    pub async fn install(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir.join("procspawn"))?;
        let dir = &dir.canonicalize()?;
        for (name, text) in SCRIPTS {
            fs::write(dir.join(name), text)?;
        }
        let node = run(dir, "node", &["--version"]).await;
        let piscina = match &node {
            Err(why) => Err(why.clone()),
            Ok(()) if dir.join("node_modules/piscina").exists() => Ok(()),
            Ok(()) => run(dir, "npm", &["install", "--no-audit", "--no-fund", "--silent"]).await,
        };
        let python = Self::install_python(dir).await;
        let built = run(
            &dir.join("procspawn"),
            "cargo",
            &["build", "--release", "--quiet", "--target-dir", "target"],
        )
        .await;
        let procspawn = built.map(|()| dir.join("procspawn/target/release/bench-procspawn"));
        Ok(Self { dir: dir.to_owned(), node, piscina, python, procspawn })
    }

    async fn install_python(dir: &Path) -> std::result::Result<PathBuf, String> {
        let python = dir.join("venv/bin/python");
        let installed = dir.join("venv/installed");
        // The packages may be those of another version of this program.
        let wanted = fs::read_to_string(dir.join("requirements.txt")).map_err(|error| error.to_string())?;
        if fs::read_to_string(&installed).ok().as_ref() != Some(&wanted) {
            run(dir, "python3", &["-m", "venv", "venv"]).await?;
            let python = python.display().to_string();
            run(dir, &python, &["-m", "pip", "install", "--quiet", "-r", "requirements.txt"]).await?;
            fs::write(installed, wanted).map_err(|error| error.to_string())?;
        }
        Ok(python)
    }

    /// Returns a peer whose turn is a run of the script.
    ///
    /// # Errors
    /// Why it is missing.
    pub fn script(
        &self,
        name: &str,
        needs: Needs,
        script: &'static str,
        args: &[String],
    ) -> std::result::Result<Box<dyn Contestant>, String> {
        self.script_with(name, needs, script, args, [])
    }

    /// Returns one that has additional environment variables.
    ///
    /// # Errors
    /// Why it is missing.
    pub fn script_with<const N: usize>(
        &self,
        name: &str,
        needs: Needs,
        script: &'static str,
        args: &[String],
        env: [(&'static str, PathBuf); N],
    ) -> std::result::Result<Box<dyn Contestant>, String> {
        let program = self.program(needs)?;
        let (dir, args) = (self.dir.clone(), args.to_vec());
        Ok(by(name, move || {
            let mut command = Command::new(&program);
            command.arg(script).args(&args).current_dir(&dir).stdin(Stdio::null()).kill_on_drop(true);
            command.envs(env.clone());
            async move {
                let output = tokio::time::timeout(PATIENCE, command.output()).await??;
                if !output.status.success() {
                    return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
                }
                let Printed { value, nanos } = serde_json::from_slice(&output.stdout)?;
                Ok(Measured { value, latencies: nanos.into_iter().collect::<Sample>() })
            }
        }))
    }

    /// Returns a peer's server, which prints its port.
    ///
    /// # Errors
    /// Why it is missing.
    pub fn server(&self, needs: Needs, script: &str) -> std::result::Result<Command, String> {
        let mut command = Command::new(self.program(needs)?);
        command.arg(script).current_dir(&self.dir);
        Ok(command)
    }

    fn program(&self, needs: Needs) -> std::result::Result<PathBuf, String> {
        match needs {
            Needs::Node => self.node.clone().map(|()| "node".into()),
            Needs::Piscina => self.piscina.clone().map(|()| "node".into()),
            Needs::Python => self.python.clone(),
            Needs::Procspawn => self.procspawn.clone(),
        }
    }
}

async fn run(dir: &Path, program: &str, args: &[&str]) -> std::result::Result<(), String> {
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).stdin(Stdio::null());
    match command.output().await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().next_back().unwrap_or_default();
            Err(format!("`{program} {}` failed: {last}", args.join(" ")))
        }
        Err(error) => Err(format!("`{program}` cannot be started: {error}")),
    }
}
