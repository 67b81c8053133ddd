//! `cargo xtask bench`: a release build, and then this process is the program `bench`, which knows the rows and the goals.
//! Beside it, the gate that counts instructions.

use std::process::{Command, Stdio};

use crate::error::Error;
use crate::{cargo, os};

pub(crate) const HELP: &str = "\
Measures procpool beside its peers and its floors, in turns, and says which goals are met

Usage: cargo xtask bench [NAME…] [--peers] [--quick]

  NAME       rows or groups of rows (languages), all of them if none is named; --list says which there are
  --peers    pools and servers of Node and Python too: what is missing is installed by name
  --quick    a fifth of the work, too little to judge by
  -- --help  all that the program says about itself

Results go to bench/results: JSON with every turn, and plots. A build in release comes first.";

const BUILD: &[&str] = &["--release", "--locked", "-p", "procpool-bench", "-p", "procpool-server", "--bins"];

const PROGRAM: &str = "bench";

pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    let args = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    let built = cargo::build(BUILD)?;
    cargo::build_workers()?;
    let mut program = Command::new(&cargo::find(&built, PROGRAM)?.path);
    program.args(args);
    os::become_program(program)
}

const COUNTER: &str = "bench-instructions";

/// Returns whether there is what counts.
pub(crate) fn can_count() -> bool {
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    valgrind.status().is_ok_and(|status| status.success())
}

/// Counts the instructions of the hot path, and fails if there are many more than were recorded.
pub(crate) fn count() -> Result<(), Error> {
    let built = cargo::build(&["--release", "--locked", "-p", "procpool-bench-hot", "--bins"])?;
    let mut counter = Command::new(&cargo::find(&built, COUNTER)?.path);
    counter.current_dir(cargo::root());
    cargo::run(counter)
}
