//! `cargo xtask page` and `cargo xtask screenshots`: the dashboard's scripts, checked by the tools of their language, and its
//! pictures in the guide. The page itself needs neither: it is served as it stands.

use std::process::Command;

use crate::cargo;
use crate::error::Error;
use crate::journal::Journal;
use crate::sdk;

pub(crate) const HELP: &str = "\
Lints, type-checks and tests the scripts of the dashboard with biome, tsc and node, in tests/clients

Usage: cargo xtask page

Needs Node.js 18 or later and npm.";

pub(crate) const PICTURES: &str = "\
Takes the pictures of the dashboard in docs/images anew, with Chromium and servers of its own; takes two minutes

Usage: cargo xtask screenshots

Needs chromium and Node.js 20 or later.";

const STEP: &str = "the scripts of the dashboard";
const TOOLS: &str = "tests/clients";

pub(crate) fn in_ci(journal: &mut Journal) {
    if sdk::has_node() { journal.attempt(STEP, check) } else { journal.skip(STEP, sdk::NO_NODE) }
}

/// Checks the scripts.
pub(crate) fn check() -> Result<(), Error> {
    let npm = |args: &[&str]| {
        let mut npm = Command::new("npm");
        npm.current_dir(cargo::root().join(TOOLS)).args(args);
        cargo::run(npm)
    };
    npm(&["ci", "--silent", "--no-audit", "--no-fund"])?;
    npm(&["run", "lint", "--silent"])?;
    npm(&["run", "types", "--silent"])?;
    npm(&["test", "--silent"])
}

/// Takes the pictures.
pub(crate) fn pictures() -> Result<(), Error> {
    let built = cargo::build_tested()?;
    let server = cargo::find(&built, "procpool")?;
    let mut node = Command::new("node");
    node.arg(cargo::root().join(TOOLS).join("screenshots.mjs"));
    node.args(server.path.parent()).arg(cargo::root().join("docs/images"));
    cargo::run(node)
}
