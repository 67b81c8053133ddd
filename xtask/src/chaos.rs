//! `cargo xtask chaos`: a release build, and then this process is the program `chaos` of `tests/`, which knows the
//! options and what has to hold.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::{cargo, os};

pub(crate) const HELP: &str = "\
Serves mixed load while workers are killed, stopped and made to misbehave at random, then compares every
ledger and prints what held

Usage: cargo xtask chaos [--store] [--seconds 60] [--kills-per-minute 600] [--seed N] [--figures]
       cargo xtask chaos --cluster 3 [--servers 1] [--seconds 60] [--kills-per-minute 600] [--seed N]

  --store               durable jobs instead: the server itself is killed, and a next one continues
  --cluster N           jobs on many hosts instead, with N nodes; needs nats-server
  --servers N           1 or 3 servers of NATS
  --seconds N           how long the faults last
  --kills-per-minute N  SIGKILLs from outside; other faults come in proportion
  --seed N              decides the schedule of jobs and faults; what the kernel makes of it is not repeatable
  --figures             the two figures fail the run too when they are missed
  -- --help             all that the program says about itself

A build in release comes first. Ctrl-C ends the faults early. The exit code is 1 if an assertion failed.";

const BUILD: &[&str] = &[
    "--release",
    "--locked",
    "-p",
    "procpool-server",
    "-p",
    "procpool-fib",
    "-p",
    "procpool-tests",
    "--bins",
];

const PROGRAM: &str = "chaos";

pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    let args = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    let built = cargo::build(BUILD)?;
    let mut program = Command::new(&cargo::find(&built, PROGRAM)?.path);
    program.args(args);
    os::become_program(program)
}

/// A minute of it, with the executables that are built already.
pub(crate) fn a_minute(bin_dir: &Path) -> Result<(), Error> {
    let mut program = Command::new(bin_dir.join(PROGRAM));
    program.args(["--seconds", "60"]);
    cargo::run(program)
}
