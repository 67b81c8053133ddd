//! `cargo xtask vendor`: files of other projects that the server sends to browsers. They are committed, so that a build needs
//! no network, and compared with npm where that can be reached.

mod manifest;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use self::manifest::{File, Package};
use crate::cargo;
use crate::error::{Error, shown};
use crate::folder::Folder;
use crate::journal::Journal;

pub(crate) const HELP: &str = "\
Keeps the files that crates/frontend/assets/vendor/vendor.toml lists

Usage: cargo xtask vendor [--check]

Without --check, fetches each package from npm, in the version of the list, and writes its files and their digests.
  --check  compares the files with their digests, and with npm where its registry can be reached. Changes nothing.";

const FOLDER: &str = "crates/frontend/assets/vendor";
const LIST: &str = "vendor.toml";

const DIGESTS: &str = "vendored files";
const REGISTRY: &str = "vendored files, against npm";
const NO_REGISTRY: &str = "npm is not installed, or its registry cannot be reached";

const NO_PROGRAM: &str = "it comes with coreutils, gzip, tar or Node.js";

pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    match args {
        [] => write(),
        [check] if check == "--check" => {
            let mut journal = Journal::default();
            in_ci(&mut journal);
            journal.finish()
        }
        _ => Err(Error::Usage(format!("`vendor` takes nothing or --check\n\n{HELP}"))),
    }
}

/// Compares with the digests, and with npm where that can be reached.
pub(crate) fn in_ci(journal: &mut Journal) {
    journal.attempt(DIGESTS, digests);
    if has_registry() { journal.attempt(REGISTRY, registry) } else { journal.skip(REGISTRY, NO_REGISTRY) }
}

/// Compares every file of the list with its digest. There are no other files in the folder.
pub(crate) fn digests() -> Result<(), Error> {
    let packages = packages()?;
    let mut listed: Vec<&str> = vec![LIST];
    for file in packages.iter().flat_map(|package| &package.files) {
        same(file, &digest(&content(file)?)?)?;
        listed.push(&file.path);
    }
    match files(&folder(), "")?.into_iter().find(|file| !listed.contains(&file.as_str())) {
        None => Ok(()),
        Some(got) => {
            Err(Error::Answer { program: FOLDER.into(), expected: "only files that vendor.toml lists", got })
        }
    }
}

/// Compares every file with the package on npm.
fn registry() -> Result<(), Error> {
    for package in packages()? {
        let fetched = Fetched::new(&package)?;
        for file in &package.files {
            same(file, &digest(&fetched.read(file)?)?)?;
        }
    }
    Ok(())
}

/// Writes every file, and its digest into the list.
fn write() -> Result<(), Error> {
    let list = folder().join(LIST);
    let mut text = fs::read_to_string(&list).map_err(Error::file("read", &list))?;
    for package in packages()? {
        let fetched = Fetched::new(&package)?;
        for file in &package.files {
            let content = fetched.read(file)?;
            text = manifest::with_digest(&text, &file.path, &digest(&content)?);
            let path = folder().join(&file.path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
            }
            // Without a name and a time, so that the same file is the same bytes.
            let bytes =
                if file.is_compressed() { filter("gzip", &["-9", "-n", "-c"], &content)? } else { content };
            fs::write(&path, bytes).map_err(Error::file("write", &path))?;
        }
        println!("{} {} ({}): {} files", package.name, package.version, package.licence, package.files.len());
    }
    fs::write(&list, text).map_err(Error::file("write", &list))
}

fn folder() -> PathBuf {
    cargo::root().join(FOLDER)
}

fn packages() -> Result<Vec<Package>, Error> {
    let list = folder().join(LIST);
    let text = fs::read_to_string(&list).map_err(Error::file("read", &list))?;
    manifest::read(&text).map_err(|unreadable| Error::Answer {
        program: format!("{FOLDER}/{LIST}"),
        expected: "a list of packages",
        got: unreadable.to_string(),
    })
}

fn same(file: &File, got: &str) -> Result<(), Error> {
    if file.sha256 == got {
        return Ok(());
    }
    let (program, got) = (format!("{FOLDER}/{}", file.path), format!("{got} of `{}`", file.from));
    Err(Error::Answer { program, expected: "the SHA-256 in vendor.toml", got })
}

/// Returns a committed file as its package has it.
fn content(file: &File) -> Result<Vec<u8>, Error> {
    let path = folder().join(&file.path);
    let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
    if file.is_compressed() { filter("gzip", &["-d", "-c"], &bytes) } else { Ok(bytes) }
}

fn digest(content: &[u8]) -> Result<String, Error> {
    let said = filter("sha256sum", &[], content)?;
    Ok(String::from_utf8_lossy(&said).split_whitespace().next().unwrap_or_default().to_owned())
}

/// Returns what a program makes of these bytes. They go through a file: a pipe that both sides fill would stand still.
fn filter(program: &str, args: &[&str], bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let place = Folder::new("xtask-filter")?;
    let path = place.path().join("input");
    fs::write(&path, bytes).map_err(Error::file("write", &path))?;
    let input = fs::File::open(&path).map_err(Error::file("open", &path))?;
    let mut command = Command::new(program);
    command.args(args).stdin(input);
    output(command)
}

fn output(mut command: Command) -> Result<Vec<u8>, Error> {
    let output = command.stderr(Stdio::inherit()).output().map_err(Error::start(&command, NO_PROGRAM))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::Ended { command: shown(&command), status: output.status })
    }
}

/// A package from the registry, unpacked.
struct Fetched(Folder);

impl Fetched {
    fn new(package: &Package) -> Result<Self, Error> {
        let place = Folder::new("xtask-vendor")?;
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", "--ignore-scripts"]).current_dir(place.path());
        pack.arg(format!("{}@{}", package.name, package.version));
        let name = String::from_utf8_lossy(&output(pack)?).trim().to_owned();
        let mut unpack = Command::new("tar");
        unpack.arg("xzf").arg(&name).current_dir(place.path());
        output(unpack)?;
        Ok(Self(place))
    }

    fn read(&self, file: &File) -> Result<Vec<u8>, Error> {
        let path = self.0.path().join("package").join(&file.from);
        fs::read(&path).map_err(Error::file("read", &path))
    }
}

fn has_registry() -> bool {
    let mut ping = Command::new("npm");
    ping.args(["ping", "--silent", "--fetch-retries=0", "--fetch-timeout=10000"]);
    ping.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    ping.status().is_ok_and(|status| status.success())
}

/// Returns every file below `folder`, by its path from there.
fn files(folder: &Path, prefix: &str) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file("list", folder))? {
        let path = entry.map_err(Error::file("list", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{prefix}{name}");
        if path.is_dir() { found.extend(files(&path, &format!("{name}/"))?) } else { found.push(name) }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendored_file_is_the_one_of_the_list() {
        digests().unwrap_or_else(|error| panic!("{error}"));
    }

    #[test]
    fn another_file_than_that_of_the_list_is_named() {
        let file = File { path: "a/LICENSE".into(), from: "LICENSE".into(), sha256: "aa".into() };
        let got = digest(b"abc").unwrap();
        assert_eq!(got, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let error = same(&file, &got).unwrap_err().to_string();
        assert!(error.contains("a/LICENSE") && error.contains(&got), "{error}");
    }
}
