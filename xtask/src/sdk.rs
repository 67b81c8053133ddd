//! `cargo xtask sdk`: the SDKs in other languages, each linted, type-checked and tested with its language's own tools.
//!
//! The tools come from the language's registry, into `target/` and `node_modules`: nothing is installed for the user.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::artifact::Artifact;
use crate::cargo;
use crate::dist;
use crate::error::Error;
use crate::installed;
use crate::journal::Journal;

pub(crate) const HELP: &str = "\
Lints, type-checks and tests the SDKs with their languages' own tools, against the server of this workspace

Usage: cargo xtask sdk [python] [node] [packages]

  python    ruff, mypy and pytest, in a virtual environment in target/sdk; needs python3 with venv. Then CPython's own
            tests of process pools, where python3 or /usr/bin/python3 has them
  node      biome, tsc and node --test, in sdk/node/node_modules; needs Node.js 18 or later and npm
  packages  packs both as `cargo xtask dist` does, with the debug executable, installs the files into a fresh
            environment and a fresh folder, without a registry or a Rust toolchain, and runs jobs there

Without a name, all.";

/// The variable that names the server which the tests start.
const SERVER: &str = "PROCPOOL";

const PYTHON: &str = "the SDK for Python";
const CPYTHON: &str = "CPython's tests of process pools, by the SDK for Python";
const NODE: &str = "the SDK for Node";
const WHEELS: &str = "the SDK for Python, installed from its wheels";
const TARBALLS: &str = "the SDK for Node, installed from its tarballs";

pub(crate) const NO_PYTHON: &str =
    "python3 makes no virtual environment here (Debian: apt-get install python3-venv)";
const NO_CPYTHON: &str = "neither python3 nor /usr/bin/python3 has CPython's own tests \
                          (Debian: apt-get install libpython3.11-testsuite, or that of your version)";
pub(crate) const NO_NODE: &str =
    "Node.js 18 or later and npm are not installed (Debian: apt-get install nodejs npm)";
const NO_PACKAGES: &str =
    "its language's tools are missing, or there are no packages with the server for this platform";

pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    let known = ["python", "node", "packages"];
    if let Some(other) = args.iter().find(|arg| !known.contains(&arg.as_str())) {
        return Err(Error::Usage(format!(
            "there is no SDK `{other}`; there are python, node and packages\n\n{HELP}"
        )));
    }
    let wants = |name: &str| args.is_empty() || args.iter().any(|arg| arg == name);
    let mut journal = Journal::default();
    if wants("python") {
        attempt(&mut journal, PYTHON, has_python, NO_PYTHON, python);
        attempt(&mut journal, CPYTHON, || python_with_tests().is_some(), NO_CPYTHON, cpython);
    }
    if wants("node") {
        attempt(&mut journal, NODE, has_node, NO_NODE, node);
    }
    if wants("packages") {
        packages(&mut journal);
    }
    journal.finish()
}

/// Does what the machine has the tools for, and says what it leaves out.
pub(crate) fn in_ci(journal: &mut Journal) {
    attempt(journal, PYTHON, has_python, NO_PYTHON, python);
    attempt(journal, CPYTHON, || python_with_tests().is_some(), NO_CPYTHON, cpython);
    attempt(journal, NODE, has_node, NO_NODE, node);
    packages(journal);
}

fn packages(journal: &mut Journal) {
    let wheels = || installed::python(server()?.each_ref());
    attempt(journal, WHEELS, || has_python() && dist::has_packages(), NO_PACKAGES, wheels);
    let tarballs = || installed::node(server()?.each_ref());
    attempt(journal, TARBALLS, || has_node() && dist::has_packages(), NO_PACKAGES, tarballs);
}

fn attempt(
    journal: &mut Journal,
    step: &'static str,
    is_possible: fn() -> bool,
    obstacle: &'static str,
    action: fn() -> Result<(), Error>,
) {
    if is_possible() { journal.attempt(step, action) } else { journal.skip(step, obstacle) }
}

fn python() -> Result<(), Error> {
    let (server, venv) = (server()?, virtual_environment()?);
    let tool = |name: &str, args: &[&str]| {
        let mut tool = Command::new(venv.join("bin").join(name));
        tool.current_dir(cargo::root().join("sdk/python")).args(args).env(SERVER, &server[0].path);
        cargo::run(tool)
    };
    tool("pip", &["install", "--quiet", "--disable-pip-version-check", "-r", "requirements-dev.txt"])?;
    tool("ruff", &["check", "."])?;
    tool("ruff", &["format", "--check", "."])?;
    tool("mypy", &[])?;
    // As a module: the package is in the current directory, which a script does not look in.
    tool("python", &["-m", "pytest", "-q"])
}

/// Runs the interpreter's own tests of process pools. They need no tools of ours.
fn cpython() -> Result<(), Error> {
    let mut tests = Command::new(python_with_tests().unwrap_or("python3"));
    tests
        .current_dir(cargo::root().join("sdk/python"))
        .arg("tests/cpython.py")
        .env(SERVER, &server()?[0].path);
    cargo::run(tests)
}

fn node() -> Result<(), Error> {
    let server = server()?;
    let npm = |args: &[&str]| {
        let mut npm = Command::new("npm");
        npm.current_dir(cargo::root().join("sdk/node")).args(args).env(SERVER, &server[0].path);
        cargo::run(npm)
    };
    npm(&["ci", "--silent", "--no-audit", "--no-fund"])?;
    npm(&["run", "lint", "--silent"])?;
    npm(&["run", "types", "--silent"])?;
    npm(&["test", "--silent"])
}

/// Builds the server and its workers. Returns the server and what it starts beside itself.
pub(crate) fn server() -> Result<[Artifact; 2], Error> {
    let built = cargo::build_tested()?;
    Ok([cargo::find(&built, "procpool")?.clone(), cargo::find(&built, dist::COMPANION)?.clone()])
}

/// Returns the virtual environment of the tools for the SDK for Python.
pub(crate) fn virtual_environment() -> Result<PathBuf, Error> {
    environment("python")
}

/// Returns a virtual environment of tools in Python, which is made if it is not there.
pub(crate) fn environment(name: &str) -> Result<PathBuf, Error> {
    let venv = place(name);
    if !venv.join("bin/pip").exists() {
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&venv);
        cargo::run(make)?;
    }
    Ok(venv)
}

/// Returns a directory for a language's tools or packages.
pub(crate) fn place(name: &str) -> PathBuf {
    cargo::root().join("target/sdk").join(name)
}

pub(crate) fn has_python() -> bool {
    // A venv without pip is what Debian makes without its package.
    succeeds(
        Command::new("python3")
            .args(["-c", "import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 9))"]),
    )
}

/// Returns the first interpreter that has tests of its own. Most come without them.
fn python_with_tests() -> Option<&'static str> {
    let script = "import sys, test.test_concurrent_futures; sys.exit(sys.version_info < (3, 9))";
    ["python3", "/usr/bin/python3"].into_iter().find(|it| succeeds(Command::new(it).args(["-c", script])))
}

pub(crate) fn has_node() -> bool {
    let script = "process.exit(Number(process.versions.node.split('.')[0]) < 18 ? 1 : 0)";
    succeeds(Command::new("node").args(["-e", script])) && succeeds(Command::new("npm").arg("--version"))
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_language_is_answered_with_those_that_there_are() {
        let error = run(&["cobol".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("`cobol`") && error.contains("python, node and packages"), "{error}");
    }
}
