//! `cargo xtask package`: every published crate as crates.io would get it, built from its own package.
//! Beside it, the gate that builds with the oldest supported toolchain.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{self, cargo};
use crate::error::Error;
use crate::journal::Journal;

pub(crate) const HELP: &str = "\
Packs every published crate and builds each from its package

Usage: cargo xtask package

The crates are packed in the order in which they are published. Each is built against the packages of
those before it, so that a file or a version that a package lacks is noticed here. Nothing is uploaded.
CONTRIBUTING.md describes a release.";

/// The published crates, each behind those that it depends on.
const PUBLISHED: &[&str] = &[
    "procpool-memory",
    "procpool-protocol",
    "procpool-birth",
    "procpool-stacks",
    "procpool-conform",
    "procpool-registry",
    "procpool-store",
    "procpool-scheduler",
    "procpool-schedules",
    "procpool-process",
    "procpool-coordinator",
    "procpool-worker",
    "procpool",
    "procpool-jobs",
    "procpool-frontend",
    "procpool-client",
    "procpool-server",
    "procpool-ping",
    "procpool-fib",
    "procpool-compute",
    "procpool-symbolize",
];

/// The oldest supported toolchain, which is `rust-version` of the workspace.
const OLDEST: &str = "1.90.0";

const OLDEST_STEP: &str = "build with Rust 1.90";

pub(crate) fn run() -> Result<(), Error> {
    forget_earlier_packages();
    // Uncommitted files are packed, too: the gate is for those who are about to commit.
    let mut command = cargo(["package", "--locked", "--allow-dirty"]);
    command.args(PUBLISHED.iter().flat_map(|name| ["-p", name]));
    cargo::run(command)
}

/// Removes what cargo has unpacked of earlier packages of these crates. It unpacks a name and version once, and ours keep
/// their version while they change.
fn forget_earlier_packages() {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let Some(home) = home.or_else(|| Some(env::home_dir()?.join(".cargo"))) else { return };
    for kind in ["src", "cache"] {
        // The registry of a run has no host, and so a name that begins with a dash.
        let registries = entries(&home.join("registry").join(kind)).filter(|it| begins(it, "-"));
        for package in registries.flat_map(|it| entries(&it)).filter(|it| begins(it, "procpool")) {
            // One that cannot be removed is used again, and the build says so if it is too old.
            let _ = fs::remove_dir_all(&package).or_else(|_| fs::remove_file(&package));
        }
    }
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn begins(path: &Path, with: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(with))
}

/// Builds everything with the oldest supported toolchain, where it is installed.
pub(crate) fn with_oldest(journal: &mut Journal) {
    if !has_oldest() {
        let why = "it is not installed; `rustup toolchain install 1.90.0 --profile minimal` installs it";
        return journal.skip(OLDEST_STEP, why);
    }
    journal.attempt(OLDEST_STEP, || {
        let mut check = oldest();
        check.args(["check", "--workspace", "--all-targets", "--locked"]);
        // A folder of its own: two compilers would rebuild each other's work.
        check.args(["--target-dir", "target/oldest"]);
        cargo::run(check)
    });
}

fn oldest() -> Command {
    let mut command = Command::new("rustup");
    // This process was started by another cargo, which says so in its environment.
    command.current_dir(cargo::root()).args(["run", OLDEST, "cargo"]).env_remove("CARGO");
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
    command
}

fn has_oldest() -> bool {
    let mut probe = oldest();
    probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
