//! Counts the instructions of each operation of the hot path with callgrind, and holds them against those that were
//! recorded: unlike times they do not move with the machine's mood. `--record` writes down what is counted.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the counts are the result")]

use procpool_bench_hot::OPERATIONS;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Relative to the workspace, where cargo xtask starts this.
const RECORD: &str = "bench/instructions.json";

/// The difference between two counts is what the operations cost, without their setting up.
const FEW: u64 = 1_000;
const MANY: u64 = 6_000;

/// Another compiler or C library moves counts by a few percent; what is worth a look moves them more.
const TOLERANCE: f64 = 0.10;

fn main() -> ExitCode {
    match hold(std::env::args().any(|arg| arg == "--record")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn hold(record: bool) -> Result<bool> {
    let recorded: BTreeMap<String, f64> = match fs::read(RECORD) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(_) if record => BTreeMap::new(),
        Err(error) => return Err(format!("{RECORD}: {error}").into()),
    };
    let mut counted = BTreeMap::new();
    let mut is_held = true;
    for (name, _) in OPERATIONS {
        let count = (instructions(name, MANY)? - instructions(name, FEW)?) / (MANY - FEW) as f64;
        let before = recorded.get(*name).copied();
        let word = match before {
            None => "new",
            Some(before) if count > before * (1.0 + TOLERANCE) => "MORE THAN RECORDED",
            Some(before) if count < before * (1.0 - TOLERANCE) => "fewer: record them with --record",
            Some(_) => "as recorded",
        };
        is_held &= before.is_some_and(|before| count <= before * (1.0 + TOLERANCE));
        println!(
            "{name:<42} {count:>9.0} instructions  {:>9.0} recorded  {word}",
            before.unwrap_or_default()
        );
        counted.insert((*name).to_owned(), count.round());
    }
    if record {
        fs::write(RECORD, serde_json::to_string_pretty(&counted)? + "\n")?;
    }
    Ok(is_held || record)
}

/// Returns all instructions of a run of the operation.
fn instructions(name: &str, count: u64) -> Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(counted()?);
    let output =
        valgrind.args([name, &count.to_string()]).output().map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    Ok(collected.ok_or_else(|| format!("valgrind counted nothing:\n{said}"))?.1.trim().parse()?)
}

/// Returns the program that does the operations, which is beside this one.
fn counted() -> Result<PathBuf> {
    let file = std::env::current_exe()?.with_file_name("bench-hot");
    if file.exists() { Ok(file) } else { Err(format!("{} is missing", file.display()).into()) }
}
