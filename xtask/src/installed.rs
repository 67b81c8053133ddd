//! The packages of the SDKs as a user has them: installed from the built files into a fresh place, without a registry, a Rust
//! toolchain or anything of this repository.
//!
//! `cargo xtask sdk` packs the debug executable: what is tried is the packages, and a release build takes minutes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifact::Artifact;
use crate::dist::{self, npm, wheels};
use crate::error::Error;
use crate::folder::{self, Folder};
use crate::{cargo, os, sdk};

const NO_PROGRAM: &str = "it was there a moment ago";

/// Installs the wheels into a fresh virtual environment, and runs jobs there.
pub(crate) fn python(server: [&Artifact; 2]) -> Result<(), Error> {
    let packages = packages("wheels")?;
    wheels::pack(server, dist::platform()?, &packages)?;
    let fresh = Folder::new("procpool-wheels")?;
    let (tooling, venv) = (sdk::virtual_environment()?, fresh.path().join("venv"));
    let mut make = Command::new(tooling.join("bin/python"));
    make.args(["-m", "venv", "--without-pip"]).arg(&venv);
    cargo::run(make)?;
    let mut install = bare(&tooling.join("bin/pip"), &fresh);
    install.arg("--python").arg(venv.join("bin/python"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "--no-index", "--find-links"]);
    install.arg(&packages).arg("procpool[server]");
    cargo::run(install)?;
    let program = cargo::root().join("sdk/python/wheels/installed.py");
    folder::copy(&program, fresh.path())?;
    let mut program = bare(&venv.join("bin/python"), &fresh);
    program.arg("installed.py");
    cargo::run(program)
}

/// Installs the tarballs into a fresh folder, and runs jobs there.
pub(crate) fn node(server: [&Artifact; 2]) -> Result<(), Error> {
    let packages = packages("tarballs")?;
    let tarballs = npm::pack(server, dist::platform()?, &packages)?;
    let fresh = Folder::new("procpool-tarballs")?;
    let tools = tools(&fresh);
    fs::create_dir(&tools).map_err(Error::file("create", &tools))?;
    for name in ["node", "npm"] {
        let (program, link) = (on_path(name)?, tools.join(name));
        os::link(&program, &link).map_err(Error::file("link", &link))?;
    }
    let manifest = fresh.path().join("package.json");
    fs::write(&manifest, "{}\n").map_err(Error::file("write", &manifest))?;
    let mut install = bare(&tools.join("npm"), &fresh);
    install.args(["install", "--silent", "--offline", "--no-audit", "--no-fund"]);
    install.args(tarballs.iter().map(|name| packages.join(name)));
    cargo::run(install)?;
    folder::copy(&cargo::root().join("sdk/node/test/fixtures/installed.js"), fresh.path())?;
    let mut program = bare(&tools.join("node"), &fresh);
    program.arg("installed.js");
    cargo::run(program)
}

/// Returns an empty folder for packages.
fn packages(kind: &str) -> Result<PathBuf, Error> {
    let packages = sdk::place(kind);
    folder::empty(&packages)?;
    Ok(packages)
}

/// Returns a command that knows nothing but the fresh folder. Its PATH is the folder's `tools`.
fn bare(program: &Path, fresh: &Folder) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", fresh.path()).env("PATH", tools(fresh)).current_dir(fresh.path());
    command
}

fn tools(fresh: &Folder) -> PathBuf {
    fresh.path().join("tools")
}

fn on_path(name: &'static str) -> Result<PathBuf, Error> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| Error::Start {
        program: name.to_owned(),
        hint: NO_PROGRAM,
        source: std::io::ErrorKind::NotFound.into(),
    })
}
