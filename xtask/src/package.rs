//! `cargo xtask package`: every published crate as crates.io would get it, checked from its own package.
//! CI checks them with the oldest supported toolchain: one build for two promises.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{self, cargo};
use crate::error::Error;
use crate::journal::Journal;

pub(crate) const HELP: &str = "\
Packs every published crate and checks each from its package

Usage: cargo xtask package

Each package is checked against the packages of the others, so that a file or a version that one lacks is
noticed here. Those that others build upon are checked by themselves as well. Nothing is uploaded. The compiler
is Rust 1.90, the oldest that is supported, where rustup has it. CONTRIBUTING.md describes a release.";

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
    "procpool-nats",
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

const PACKAGES: &str = "packages";
const PACKAGES_BY_OLDEST: &str = "packages, built with Rust 1.90";
const OLDEST_STEP: &str = "build with Rust 1.90";

/// Packages that others build upon: each is checked once more by itself, without the features that its neighbours ask of a
/// common dependency.
const FOUNDATIONS: &[&str] = &["procpool", "procpool-worker"];

pub(crate) fn run() -> Result<(), Error> {
    if has_oldest() {
        println!("with Rust {OLDEST}, the oldest that is supported");
        packages(oldest)
    } else {
        packages(current)
    }
}

/// Says in the step's name which compiler there was, and aloud if it was not the oldest.
pub(crate) fn in_ci(journal: &mut Journal) {
    if has_oldest() {
        return journal.attempt(PACKAGES_BY_OLDEST, || packages(oldest));
    }
    journal.attempt(PACKAGES, || packages(current));
    let why = "it is not installed; `rustup toolchain install 1.90.0 --profile minimal` installs it";
    journal.skip(OLDEST_STEP, why);
}

/// Packs them, and has this compiler check what was packed.
fn packages(compiler: fn() -> Command) -> Result<(), Error> {
    let folder = cargo::root().join("target/packages");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Error::file("remove", &folder))?;
    }
    // Uncommitted files are packed, too: the gate is for those who are about to commit.
    let mut pack = cargo(["package", "--locked", "--allow-dirty", "--no-verify", "--target-dir"]);
    pack.arg(&folder).args(PUBLISHED.iter().flat_map(|name| ["-p", name]));
    cargo::run(pack)?;
    let manifest = unpack(&folder.join("package"))?;
    check(compiler(), &manifest, &["--workspace"])?;
    FOUNDATIONS.iter().try_for_each(|name| check(compiler(), &manifest, &["-p", name]))
}

/// Unpacks every package into a workspace, in which they depend on each other instead of on what has been published.
/// Returns its manifest. `cargo package` would build each by itself: half of the dependencies anew for each of them.
fn unpack(folder: &Path) -> Result<PathBuf, Error> {
    let mut patches = String::new();
    for name in PUBLISHED {
        let package = format!("{name}-{}", env!("CARGO_PKG_VERSION"));
        let mut tar = Command::new("tar");
        tar.current_dir(folder).args(["-x", "-z", "-f", &format!("{package}.crate")]);
        cargo::run(tar)?;
        patches += &format!("{name} = {{ path = \"{package}\" }}\n");
    }
    let manifest = folder.join("Cargo.toml");
    let text = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"procpool*/\"]\n\n[patch.crates-io]\n{patches}\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n"
    );
    fs::write(&manifest, text).map_err(Error::file("write", &manifest))?;
    let lock = folder.join("Cargo.lock");
    fs::copy(cargo::root().join("Cargo.lock"), &lock).map_err(Error::file("write", &lock))?;
    Ok(manifest)
}

fn check(mut compiler: Command, manifest: &Path, packages: &[&str]) -> Result<(), Error> {
    compiler.args(["check", "--lib", "--bins", "--manifest-path"]).arg(manifest).args(packages);
    cargo::run(compiler)
}

/// The current compiler, with what it has built for this workspace.
fn current() -> Command {
    let mut command = cargo([]);
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| cargo::root().join("target"), PathBuf::from);
    command.env("CARGO_TARGET_DIR", target);
    command
}

/// The oldest, in a folder of its own: two compilers would rebuild each other's work.
fn oldest() -> Command {
    let mut command = Command::new("rustup");
    // This process was started by another cargo, which says so in its environment.
    command.current_dir(cargo::root()).args(["run", OLDEST, "cargo"]).env_remove("CARGO");
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
    command.env("CARGO_TARGET_DIR", cargo::root().join("target/oldest"));
    command
}

fn has_oldest() -> bool {
    let mut probe = oldest();
    probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
