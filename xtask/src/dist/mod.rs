//! `cargo xtask dist`: each executable as an artifact of its own, since each is deployed on its own.

mod archive;
pub(crate) mod npm;
mod papers;
mod platform;
mod proof;
pub(crate) mod wheels;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::artifact::Artifact;
use crate::cargo;
use crate::error::{Error, shown};
use crate::folder::{copy, empty};
use crate::sdk;

use platform::Platform;

pub(crate) const HELP: &str = "\
Packs each executable as an artifact of its own

Usage: cargo xtask dist

Builds in release and writes into dist/, which is emptied first,
  <name>-<version>-<host>.tar.gz   the executable and its licences, in a folder
                                   (and the README, completions and manual pages, with the server)
  procpool-<version>-py3-none-any.whl, procpool-<version>.tgz
                                   the SDKs for Python and Node
  procpool_server-<version>-py3-none-<platform>.whl, procpool-linux-<platform>-<version>.tgz
                                   the server as Python and npm install it
  SHA256SUMS                       for `sha256sum --check`

Wheels need python3 with venv and, at the first time, the network for the build backend. The tarballs need
npm. Without these languages their packages are left out, and that is said.

At the end each artifact is unpacked alone into an empty folder and has to run there.";

/// An executable that is deployed on its own.
struct Product {
    name: &'static str,
    /// The files beside the executable.
    papers: &'static [&'static str],
    /// Another executable that it looks for beside itself.
    companion: Option<&'static str>,
    proof: proof::Proof,
}

const LICENCES: &[&str] = &["LICENSE-MIT", "LICENSE-APACHE"];

const PRODUCTS: &[Product] = &[
    Product {
        name: "procpool",
        papers: &["LICENSE-MIT", "LICENSE-APACHE", "README.md"],
        companion: Some(COMPANION),
        proof: proof::Proof::Help,
    },
    worker("procpool-ping"),
    worker("procpool-fib"),
    worker("procpool-compute"),
    worker(COMPANION),
];

/// The executable that the server starts to name the functions of a stack.
pub(crate) const COMPANION: &str = "procpool-symbolize";

const fn worker(name: &'static str) -> Product {
    Product { name, papers: LICENCES, companion: None, proof: proof::Proof::Describe }
}

pub(crate) fn run() -> Result<(), Error> {
    let built = build()?;
    let host = host()?;
    let dist = cargo::root().join("dist");
    empty(&dist)?;
    let mut archives = Vec::new();
    for product in PRODUCTS {
        let companion = product.companion.map(|name| cargo::find(&built, name)).transpose()?;
        archives.push(pack(product, cargo::find(&built, product.name)?, companion, &host, &dist)?);
    }
    let server = [cargo::find(&built, "procpool")?, cargo::find(&built, COMPANION)?];
    let packages = packages(server, &host, &dist)?;
    archive::checksums(&dist, &[&archives[..], &packages].concat())?;
    for (product, name) in PRODUCTS.iter().zip(&archives) {
        proof::runs_alone(product.name, &dist.join(name), product.proof)?;
        println!("dist/{name}");
    }
    packages.iter().for_each(|name| println!("dist/{name}"));
    Ok(())
}

/// Packs the SDKs, as far as this machine has their languages' tools, and returns the names of the files. The
/// executables are the server and its companion.
fn packages(server: [&Artifact; 2], host: &str, dist: &Path) -> Result<Vec<String>, Error> {
    let platform = Platform::of(host);
    if platform.is_none() {
        println!("no wheel and no npm package with the server: they are not made for {host}");
    }
    let mut names = Vec::new();
    if sdk::has_python() {
        names.extend(wheels::pack(server, platform, dist)?);
    } else {
        println!("no wheels: {}", sdk::NO_PYTHON);
    }
    if sdk::has_node() {
        names.extend(npm::pack(server, platform, dist)?);
    } else {
        println!("no npm packages: {}", sdk::NO_NODE);
    }
    Ok(names)
}

/// Returns whether this machine is a platform that has packages with executables.
pub(crate) fn has_packages() -> bool {
    platform().is_ok_and(|platform| platform.is_some())
}

/// Returns the platform of this machine, if there are packages with executables for it.
pub(crate) fn platform() -> Result<Option<Platform>, Error> {
    Ok(Platform::of(&host()?))
}

fn build() -> Result<Vec<Artifact>, Error> {
    let mut built = cargo::build(&["--release", "--locked", "-p", "procpool-server", "--bins"])?;
    built.extend(cargo::build_workers()?);
    Ok(built)
}

/// Returns the host triple, which names the system that the artifacts are for.
fn host() -> Result<String, Error> {
    let mut rustc = Command::new("rustc");
    rustc.arg("-vV");
    let output = rustc.output().map_err(Error::start(&rustc, "is it beside cargo on the PATH?"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
    host.ok_or_else(|| Error::Answer {
        program: shown(&rustc),
        expected: "a line `host: <triple>`",
        got: text,
    })
}

/// Packs one product and returns its archive's name. The folder it is made from does not stay.
fn pack(
    product: &Product,
    artifact: &Artifact,
    companion: Option<&Artifact>,
    host: &str,
    dist: &Path,
) -> Result<String, Error> {
    let stem = format!("{}-{}-{host}", product.name, artifact.version);
    let folder = dist.join(&stem);
    fs::create_dir(&folder).map_err(Error::file("create", &folder))?;
    copy(&artifact.path, &folder)?;
    companion.map_or(Ok(()), |companion| copy(&companion.path, &folder))?;
    for paper in product.papers {
        copy(&cargo::root().join(paper), &folder)?;
    }
    if matches!(product.proof, proof::Proof::Help) {
        papers::write(&artifact.path, &folder)?;
    }
    let name = archive::pack(dist, &stem)?;
    fs::remove_dir_all(&folder).map_err(Error::file("remove", &folder))?;
    Ok(name)
}
