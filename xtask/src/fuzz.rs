//! `cargo xtask fuzz`: libFuzzer over what reads bytes that somebody else wrote, with the stable toolchain.
//!
//! The compiler's own coverage pass is what libFuzzer needs. Sanitizers would need a nightly toolchain, and find in
//! safe code little that its checks do not.

use std::collections::BTreeSet;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::cargo;
use crate::error::Error;
use crate::journal::Journal;

pub(crate) const HELP: &str = "\
Feeds random bytes to what reads bytes of others, and stops at the first that breaks a promise

Usage: cargo xtask fuzz [TARGET…] [--seconds N]
       cargo xtask fuzz TARGET --replay FILE

Targets: frames, handshake, heads, jobs, configuration, stacks; all of them if none is named

  --seconds N    how long each target runs; 60 if nothing is said
  --replay FILE  runs one input, such as fuzz/artifacts/frames/crash-…, and nothing else

Needs Linux and a C++ compiler (c++). Seeds are in fuzz/seeds, words in fuzz/dictionaries, what was found on the way is in target/fuzz/corpus.";

/// The targets, each a file in `fuzz/fuzz_targets`.
const TARGETS: [&str; 6] = ["frames", "handshake", "heads", "jobs", "configuration", "stacks"];

const DEFAULT_SECONDS: u32 = 60;

/// How long each target runs in CI, in seconds.
const CI_SECONDS: u32 = 20;

const STEP: &str = "fuzz, 20 s each";

/// Has the compiler count edges and comparisons, as `cargo fuzz --sanitizer none` does.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
                        -Cllvm-args=-sanitizer-coverage-level=4 \
                        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                        -Cllvm-args=-sanitizer-coverage-pc-table \
                        -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Inputs longer than this, in bytes, find nothing that shorter ones do not.
const LONGEST_INPUT: u32 = 4096;

/// Memory that a target may take, in MiB, and time for one input, in seconds. More is a finding.
const LIMITS: [&str; 2] = ["-rss_limit_mb=1024", "-timeout=10"];

/// The request of the command line.
#[derive(Debug, PartialEq)]
struct Order {
    targets: Vec<&'static str>,
    seconds: u32,
    replay: Option<PathBuf>,
}

pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    let order = Order::read(args)?;
    if let Some(reason) = obstacle() {
        return Err(Error::Usage(format!("fuzzing cannot run here: {reason}")));
    }
    let built = build(&order.targets)?;
    for target in &order.targets {
        match &order.replay {
            Some(file) => replay(&built, target, file)?,
            None => fuzz(&built, target, order.seconds)?,
        }
    }
    Ok(())
}

/// A short run of every target, where that is possible.
pub(crate) fn in_ci(journal: &mut Journal) {
    match obstacle() {
        Some(reason) => journal.skip(STEP, reason),
        None => journal.attempt(STEP, || {
            cargo::run(cargo::cargo(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
            let built = build(&TARGETS)?;
            fuzz_together(&built)
        }),
    }
}

/// Every target for a while, one on each processor.
fn fuzz_together(built: &Path) -> Result<(), Error> {
    let at_once = thread::available_parallelism().map_or(1, NonZero::get);
    for targets in TARGETS.chunks(at_once) {
        let ended: Vec<Result<(), Error>> = thread::scope(|scope| {
            let run = |&target| scope.spawn(move || fuzz(built, target, CI_SECONDS));
            let running: Vec<_> = targets.iter().map(run).collect();
            running.into_iter().map(|it| it.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        ended.into_iter().collect::<Result<(), Error>>()?;
    }
    Ok(())
}

/// Why nothing can be fuzzed on this machine.
fn obstacle() -> Option<&'static str> {
    let has_compiler = || {
        let mut compiler = Command::new("c++");
        compiler.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        compiler.status().is_ok_and(|status| status.success())
    };
    if !cfg!(target_os = "linux") {
        Some("the targets are built for Linux only")
    } else if !has_compiler() {
        Some("libFuzzer needs a C++ compiler; install one that is called c++ (Debian: apt-get install g++)")
    } else {
        None
    }
}

/// Builds targets, and returns the directory in which their executables are.
fn build(targets: &[&str]) -> Result<PathBuf, Error> {
    let host = host()?;
    // Not `--locked`: a new dependency of a crate here is not known to this lock file before it is built.
    let mut command = cargo::cargo(["build", "--release", "--manifest-path", "fuzz/Cargo.toml"]);
    // With a target of their own, build scripts and macros are not instrumented.
    command.args(["--target", &host, "--target-dir"]).arg(scratch());
    command.args(targets.iter().flat_map(|target| ["--bin", *target]));
    command.env("RUSTFLAGS", COVERAGE);
    cargo::run(command)?;
    Ok(scratch().join(host).join("release"))
}

fn host() -> Result<String, Error> {
    let mut rustc = Command::new("rustc");
    let output =
        rustc.arg("-vV").output().map_err(Error::start(&rustc, "is a Rust toolchain on the PATH?"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
    host.ok_or(Error::Answer { program: "rustc -vV".into(), expected: "a line `host: …`", got: text })
}

fn fuzz(built: &Path, target: &'static str, seconds: u32) -> Result<(), Error> {
    let corpus = scratch().join("corpus").join(target);
    let artifacts = cargo::root().join("fuzz/artifacts").join(target);
    for dir in [&corpus, &artifacts] {
        fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    }
    let mut program = executable(built, target);
    eprintln!("=== {target} for {seconds} s");
    // By itself it says a line for each input that is new, which hides what matters.
    program.args(LIMITS).arg("-verbosity=0");
    program.args([format!("-max_total_time={seconds}"), format!("-max_len={LONGEST_INPUT}")]);
    program.arg(format!("-artifact_prefix={}/", artifacts.display()));
    let dictionary = cargo::root().join("fuzz/dictionaries").join(target);
    if dictionary.exists() {
        program.arg(format!("-dict={}", dictionary.display()));
    }
    // New inputs go to the first directory. The seeds stay as they are.
    program.arg(corpus).arg(cargo::root().join("fuzz/seeds").join(target));
    let before = inputs(&artifacts)?;
    let ended = cargo::run(program);
    for input in inputs(&artifacts)?.difference(&before) {
        eprintln!("\n=== {target} broke a promise. To see it again:");
        eprintln!("cargo xtask fuzz {target} --replay {}", input.display());
    }
    ended
}

/// Returns the inputs that have broken something, by their paths from the root.
fn inputs(artifacts: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let listed = fs::read_dir(artifacts).map_err(Error::file("list", artifacts))?;
    let paths = listed.flatten().map(|entry| entry.path());
    Ok(paths.map(|path| path.strip_prefix(cargo::root()).map_or(path.clone(), Path::to_owned)).collect())
}

fn replay(built: &Path, target: &str, file: &Path) -> Result<(), Error> {
    let mut program = executable(built, target);
    program.args(LIMITS).arg(file);
    cargo::run(program)
}

fn executable(built: &Path, target: &str) -> Command {
    let mut program = Command::new(built.join(format!("{target}{EXE_SUFFIX}")));
    program.current_dir(cargo::root());
    program
}

/// Returns everything that may be deleted.
fn scratch() -> PathBuf {
    cargo::root().join("target/fuzz")
}

impl Order {
    fn read(args: &[String]) -> Result<Self, Error> {
        let mut order = Self { targets: Vec::new(), seconds: DEFAULT_SECONDS, replay: None };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| wrong(&format!("`{arg}` needs a value")));
            match arg.as_str() {
                "--seconds" => {
                    let seconds = value()?.parse().ok().filter(|seconds| *seconds > 0);
                    order.seconds =
                        seconds.ok_or_else(|| wrong("`--seconds` needs a whole number above 0"))?;
                }
                "--replay" => order.replay = Some(PathBuf::from(value()?)),
                name => match TARGETS.into_iter().find(|target| *target == name) {
                    Some(target) => order.targets.push(target),
                    None => return Err(wrong(&format!("there is no target `{name}`"))),
                },
            }
        }
        if order.replay.is_some() && order.targets.len() != 1 {
            return Err(wrong("`--replay` needs the one target that reads the file"));
        }
        if order.targets.is_empty() {
            order.targets = TARGETS.into();
        }
        Ok(order)
    }
}

fn wrong(problem: &str) -> Error {
    Error::Usage(format!("{problem}; the targets are {}; see `cargo xtask fuzz --help`", TARGETS.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Order, Error> {
        Order::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn nothing_named_is_every_target_for_a_minute() {
        let all = Order { targets: TARGETS.into(), seconds: 60, replay: None };
        assert_eq!(read("").unwrap(), all);
        let two = read("frames --seconds 5 heads").unwrap();
        assert_eq!((two.targets, two.seconds), (vec!["frames", "heads"], 5));
    }

    #[test]
    fn a_wrong_word_is_refused_with_the_names_that_there_are() {
        for line in
            ["frame", "--seconds", "--seconds 0", "--seconds x", "--replay x", "frames heads --replay x"]
        {
            let error = read(line).unwrap_err().to_string();
            assert!(
                error.contains("frames, handshake, heads, jobs, configuration, stacks"),
                "{line}: {error}"
            );
        }
    }

    #[test]
    fn every_target_has_its_file_and_its_seeds() {
        let fuzz = cargo::root().join("fuzz");
        let listed = fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count();
        assert_eq!(listed, TARGETS.len());
        for target in TARGETS {
            assert!(fuzz.join("fuzz_targets").join(target).with_extension("rs").is_file(), "{target}");
            let seeds = fs::read_dir(fuzz.join("seeds").join(target)).unwrap();
            let bytes: u64 = seeds.map(|seed| seed.unwrap().metadata().unwrap().len()).sum();
            assert!((1..=16 * 1024).contains(&bytes), "{target}: {bytes} bytes of seeds");
        }
    }

    #[test]
    fn the_step_says_how_long_it_takes() {
        assert_eq!(STEP, format!("fuzz, {CI_SECONDS} s each"));
    }
}
