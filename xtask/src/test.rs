//! `cargo xtask test`: every test of the workspace, from a fresh clone with only a Rust toolchain.
//!
//! `cargo test --workspace` does not build the executables of other packages, and the end-to-end
//! tests start real ones: so they are built first, and the tests are told where they are.

use std::path::{Path, PathBuf};

use procpool_needs::Need;

use crate::cargo;
use crate::chaos;
use crate::error::Error;
use crate::journal::Journal;
use crate::skips::Skips;

pub(crate) const HELP: &str = "\
Builds what the tests need and runs all of them: unit, property, end-to-end and doc tests, then a minute
of chaos (cargo xtask chaos), which a FILTER leaves out

Usage: cargo xtask test [FILTER…] [TEST OPTIONS]

Everything goes to the test programs, for example
  a_killed_worker              only the tests with this in their name
  a_killed_worker --nocapture  and with what they print

Stops at the first step that fails, and names it. Lists at the end which tests were skipped, and why.
PROCPOOL_REQUIRE=root,gdb (or all) in the environment fails those that are skipped for lack of these.";

/// Where the end-to-end tests look for executables.
const BIN_DIR: &str = "PROCPOOL_BIN_DIR";

const CHAOS: &str = "chaos, 60 s";

pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    let filters = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    all(&mut Journal::default(), filters, None)
}

/// Every step, up to the first that fails. No test may be skipped for what is `required`; `None` leaves that to the
/// environment.
pub(crate) fn all(journal: &mut Journal, filters: &[String], required: Option<&[Need]>) -> Result<(), Error> {
    let bin_dir = journal.step("build the executables", build)?;
    let skips = Skips::new(&bin_dir, required)?;
    let ended = steps(journal, &bin_dir, &skips, filters);
    skips.tell()?;
    ended
}

fn steps(journal: &mut Journal, bin_dir: &Path, skips: &Skips, filters: &[String]) -> Result<(), Error> {
    let tests = || test("--all-targets", bin_dir, skips, filters);
    journal.step("unit, property and end-to-end tests", tests)?;
    journal.step("doc tests", || test("--doc", bin_dir, skips, filters))?;
    if filters.is_empty() {
        journal.step(CHAOS, || chaos::a_minute(bin_dir))
    } else {
        journal.skip(CHAOS, "only what the filter names was asked for; `cargo xtask chaos` runs it");
        Ok(())
    }
}

fn build() -> Result<PathBuf, Error> {
    let built = cargo::build_tested()?;
    let server = cargo::find(&built, "procpool")?;
    Ok(server.path.parent().map_or_else(cargo::root, Path::to_owned))
}

fn test(kind: &str, bin_dir: &Path, skips: &Skips, filters: &[String]) -> Result<(), Error> {
    let mut command = cargo::cargo(["test", "--workspace", kind, "--locked"]);
    command.args(cargo::TESTED);
    command.env(BIN_DIR, bin_dir);
    skips.collect(&mut command);
    if !filters.is_empty() {
        command.arg("--").args(filters);
    }
    cargo::run(command)
}
