//! `cargo xtask openapi`: a running server against the document that it serves, by tools that know nothing of procpool.

use std::process::Command;

use crate::cargo;
use crate::error::Error;
use crate::journal::Journal;
use crate::sdk;

pub(crate) const HELP: &str = "\
Validates the OpenAPI document of a server, and tests the server against it

Usage: cargo xtask openapi

openapi-spec-validator reads the document, and schemathesis sends what the document allows and what it does not, to a server
without tokens and to one with. No answer may be one that the document does not have, and none a 500. Needs python3 with
venv; both tools come from pip, in the versions of tests/openapi/requirements.txt, into target/sdk/openapi.";

const STEP: &str = "the server against its OpenAPI document";

pub(crate) fn run() -> Result<(), Error> {
    let mut journal = Journal::default();
    in_ci(&mut journal);
    journal.finish()
}

/// Does it where the machine has the tools, or says what is missing.
pub(crate) fn in_ci(journal: &mut Journal) {
    if sdk::has_python() { journal.attempt(STEP, drive) } else { journal.skip(STEP, sdk::NO_PYTHON) }
}

fn drive() -> Result<(), Error> {
    let [server, _names] = sdk::server()?;
    let venv = sdk::environment("openapi")?;
    let folder = cargo::root().join("tests/openapi");
    let mut install = Command::new(venv.join("bin/pip"));
    install
        .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(folder.join("requirements.txt"));
    cargo::run(install)?;
    let mut drive = Command::new(venv.join("bin/python"));
    // Nothing is left in the sources.
    drive.env("PYTHONDONTWRITEBYTECODE", "1").arg(folder.join("drive.py")).arg(&server.path);
    cargo::run(drive)
}
