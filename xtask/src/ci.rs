//! `cargo xtask ci`: the gates that a change passes before it is merged, every test, and the SDKs.
//!
//! A gate that fails does not hide the next one: all are tried, and the summary names each.

use std::env;

use crate::bench;
use crate::book;
use crate::cargo::{self, cargo};
use crate::error::Error;
use crate::fuzz;
use crate::journal::Journal;
use crate::needs;
use crate::openapi;
use crate::package;
use crate::page;
use crate::sdk;
use crate::test;
use crate::vendor;

pub(crate) const HELP: &str = "\
Runs the gates that a change has to pass

Usage: cargo xtask ci

  format    cargo fmt --all --check
  clippy    every target, warnings denied
  docs      cargo doc, warnings denied
  guide     cargo xtask book, where mdbook is installed
  licences  cargo deny check licenses bans sources, where cargo-deny is installed
  counts    instructions of the hot path against those that were recorded, where valgrind is installed
  vendored  cargo xtask vendor --check, with npm where its registry can be reached
  packages  as cargo xtask package, with the oldest supported toolchain, where it is installed
  fuzz      cargo xtask fuzz --seconds 20, where there is a C++ compiler
  tests     as cargo xtask test
  openapi   as cargo xtask openapi, where python3 is installed
  page      as cargo xtask page, where Node.js is installed
  sdks      as cargo xtask sdk, where python3 and Node.js are installed

No test may be skipped for a need that this machine meets, or that PROCPOOL_REQUIRE names.
Each is timed and tried whatever became of the one before; a summary closes the run.";

const COUNTS: &str = "instructions of the hot path";
const LICENCES: &str = "licences, bans and sources";

pub(crate) fn run() -> Result<(), Error> {
    let required = needs::required()?;
    eprintln!("=== no test may be skipped for: {}", needs::list(&required));
    let mut journal = Journal::default();
    journal.attempt("format", || cargo::run(cargo(["fmt", "--all", "--check"])));
    journal.attempt("clippy", clippy);
    journal.attempt("docs", docs);
    book::in_ci(&mut journal);
    licences(&mut journal);
    counts(&mut journal);
    vendor::in_ci(&mut journal);
    package::in_ci(&mut journal);
    fuzz::in_ci(&mut journal);
    if let Err(error) = test::all(&mut journal, &[], Some(&required)) {
        eprintln!("xtask: {error}");
    }
    openapi::in_ci(&mut journal);
    page::in_ci(&mut journal);
    sdk::in_ci(&mut journal);
    journal.finish()
}

fn clippy() -> Result<(), Error> {
    let mut command = cargo(["clippy", "--workspace", "--all-targets", "--locked"]);
    command.args(cargo::TESTED).args(["--", "-D", "warnings"]);
    cargo::run(command)
}

fn docs() -> Result<(), Error> {
    let mut command = cargo(["doc", "--workspace", "--no-deps", "--locked"]);
    command.args(cargo::TESTED);
    let given = env::var("RUSTDOCFLAGS").unwrap_or_default();
    command.env("RUSTDOCFLAGS", format!("{given} -Dwarnings").trim_start());
    cargo::run(command)
}

fn licences(journal: &mut Journal) {
    if cargo::has("deny") {
        let check = || cargo::run(cargo(["deny", "check", "licenses", "bans", "sources"]));
        journal.attempt(LICENCES, check);
    } else {
        journal
            .skip(LICENCES, "cargo-deny is not installed; `cargo install cargo-deny --locked` installs it");
    }
}

fn counts(journal: &mut Journal) {
    if bench::can_count() {
        journal.attempt(COUNTS, bench::count);
    } else {
        journal.skip(COUNTS, "valgrind is not installed");
    }
}
