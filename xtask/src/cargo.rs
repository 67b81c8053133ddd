//! Asking cargo: the one that started this task, in the root of the workspace.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::artifact::Artifact;
use crate::error::{Error, shown};

/// Has cargo say what it has built.
const MESSAGES: &str = "--message-format=json-render-diagnostics";

const NO_CARGO: &str = "is a Rust toolchain on the PATH? https://rustup.rs installs one";

/// Returns the workspace's root, also where a shared target folder built this task for another clone.
pub(crate) fn root() -> PathBuf {
    let xtask =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    xtask.parent().map_or(xtask.clone(), Path::to_owned)
}

/// Returns a cargo command that starts in [`root`].
pub(crate) fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    // `cargo run` describes the package of this task in these. Build scripts watch them, and would run anew each time that
    // cargo is called in the other way.
    let names = env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| describes_a_package(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

fn describes_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// Runs cargo, or what it has built, in the foreground, to a good end or an error.
pub(crate) fn run(mut command: Command) -> Result<(), Error> {
    let status = command.status().map_err(Error::start(&command, NO_CARGO))?;
    if status.success() { Ok(()) } else { Err(Error::Ended { command: shown(&command), status }) }
}

/// Builds and says where the executables are. Cargo's messages appear as always.
pub(crate) fn build(args: &[&str]) -> Result<Vec<Artifact>, Error> {
    let mut command = cargo(["build", MESSAGES]);
    command.args(args);
    executables(command)
}

/// Builds every executable and example in debug with the features with which everything is tested, and says where they are.
/// Another choice of packages, targets or features is another choice for half of the dependencies, which are then built anew.
pub(crate) fn build_tested() -> Result<Vec<Artifact>, Error> {
    build(&[&["--workspace", "--bins", "--examples", "--locked"], TESTED].concat())
}

/// Every test runs with every feature of the server. The build of a package is without those that are off by default.
pub(crate) const TESTED: &[&str] = &["--features", "procpool-server/otlp"];

/// The worker executables of this repository.
pub(crate) const WORKERS: &[&str] =
    &["procpool-ping", "procpool-fib", "procpool-compute", "procpool-symbolize"];

/// Builds the [`WORKERS`] in release so that they need nothing of a machine but its kernel: they run anywhere, and a process
/// starts in half the time. Where the C library cannot be linked in, says so and builds them like any executable.
pub(crate) fn build_workers() -> Result<Vec<Artifact>, Error> {
    let mut built = Vec::new();
    for worker in WORKERS {
        let mut command = cargo(["rustc", MESSAGES, "--release", "--locked", "-p", worker, "--bin", worker]);
        command.args(["--", "-C", "target-feature=+crt-static"]);
        match executables(command) {
            Ok(executables) => built.extend(executables),
            Err(error) => {
                println!("linking {worker} to the system's C library instead of taking it in: {error}");
                built.extend(build(&["--release", "--locked", "-p", worker])?);
            }
        }
    }
    Ok(built)
}

fn executables(mut command: Command) -> Result<Vec<Artifact>, Error> {
    command.stderr(Stdio::inherit());
    let shown = shown(&command);
    let output = command.output().map_err(Error::start(&command, NO_CARGO))?;
    if !output.status.success() {
        return Err(Error::Ended { command: shown, status: output.status });
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages.lines().filter_map(Artifact::parse).collect())
}

/// Returns the executable called `name` among those that were built.
pub(crate) fn find<'a>(built: &'a [Artifact], name: &'static str) -> Result<&'a Artifact, Error> {
    built.iter().find(|artifact| artifact.name == name).ok_or(Error::NotBuilt(name))
}

/// Returns whether `cargo <subcommand>` exists on this machine.
pub(crate) fn has(subcommand: &str) -> bool {
    let mut probe = cargo([subcommand, "--version"]);
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
