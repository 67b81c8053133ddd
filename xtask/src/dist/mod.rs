//! `cargo xtask dist`: each executable as an artifact of its own, since each is deployed on its own.

mod archive;
mod proof;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifact::Artifact;
use crate::cargo;
use crate::error::{Error, shown};

pub(crate) const HELP: &str = "\
Packs each executable as an artifact of its own

Usage: cargo xtask dist

Builds in release and writes into dist/, which is emptied first,
  <name>-<version>-<host>.tar.gz   the executable and its licences, in a folder
                                   (and the README, with the server)
  SHA256SUMS                       for `sha256sum --check`

At the end each artifact is unpacked alone into an empty folder and has to run there.";

/// An executable that is deployed on its own.
struct Product {
    name: &'static str,
    /// The files beside the executable.
    papers: &'static [&'static str],
    proof: proof::Proof,
}

const LICENCES: &[&str] = &["LICENSE-MIT", "LICENSE-APACHE"];

const PRODUCTS: &[Product] = &[
    Product {
        name: "procpool",
        papers: &["LICENSE-MIT", "LICENSE-APACHE", "README.md"],
        proof: proof::Proof::Help,
    },
    worker("procpool-ping"),
    worker("procpool-fib"),
    worker("procpool-compute"),
];

const fn worker(name: &'static str) -> Product {
    Product { name, papers: LICENCES, proof: proof::Proof::Describe }
}

pub(crate) fn run() -> Result<(), Error> {
    let built = build()?;
    let host = host()?;
    let dist = cargo::root().join("dist");
    empty(&dist)?;
    let mut archives = Vec::new();
    for product in PRODUCTS {
        archives.push(pack(product, cargo::find(&built, product.name)?, &host, &dist)?);
    }
    archive::checksums(&dist, &archives)?;
    for (product, name) in PRODUCTS.iter().zip(&archives) {
        proof::runs_alone(product.name, &dist.join(name), product.proof)?;
        println!("dist/{name}");
    }
    Ok(())
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

fn empty(dist: &Path) -> Result<(), Error> {
    if dist.exists() {
        fs::remove_dir_all(dist).map_err(Error::file("empty", dist))?;
    }
    fs::create_dir(dist).map_err(Error::file("create", dist))
}

/// Packs one product and returns its archive's name. The folder it is made from does not stay.
fn pack(product: &Product, artifact: &Artifact, host: &str, dist: &Path) -> Result<String, Error> {
    let stem = format!("{}-{}-{host}", product.name, artifact.version);
    let folder = dist.join(&stem);
    fs::create_dir(&folder).map_err(Error::file("create", &folder))?;
    copy(&artifact.path, &folder)?;
    for paper in product.papers {
        copy(&cargo::root().join(paper), &folder)?;
    }
    let name = archive::pack(dist, &stem)?;
    fs::remove_dir_all(&folder).map_err(Error::file("remove", &folder))?;
    Ok(name)
}

/// Copies with the permissions: an executable stays one.
fn copy(file: &Path, folder: &Path) -> Result<(), Error> {
    let target: PathBuf = file.file_name().map_or_else(|| folder.to_owned(), |name| folder.join(name));
    fs::copy(file, &target).map_err(Error::file("copy", file)).map(drop)
}
