//! The machine that the figures are of.

use serde::Serialize;
use std::fs;
use std::process::Command;

/// The properties of the machine that decide figures, as far as they can be asked.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub processor: String,
    pub processors: usize,
    pub memory_gib: u64,
    pub system: String,
    pub rustc: String,
    pub node: Option<String>,
    pub python: Option<String>,
}

impl Machine {
    pub fn this() -> Self {
        let version = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: gib("MemTotal"),
            system: format!("Linux {}", version.trim()),
            rustc: says("rustc", "--version").unwrap_or_else(|| "unknown".into()),
            node: says("node", "--version"),
            python: says("python3", "--version"),
        }
    }

    /// Memory that nobody uses, in whole GiB.
    pub fn free_gib() -> usize {
        usize::try_from(gib("MemAvailable")).unwrap_or(0)
    }

    /// Returns one line for people.
    pub fn line(&self) -> String {
        let Self { processor, processors, memory_gib, system, rustc, .. } = self;
        format!("{processors} × {processor}, {memory_gib} GiB, {system}, {rustc}")
    }
}

fn line_of(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn gib(key: &str) -> u64 {
    let kibibytes = line_of("/proc/meminfo", key).and_then(|line| line.split(' ').next()?.parse().ok());
    kibibytes.unwrap_or(0_u64) / 1024 / 1024
}

fn says(program: &str, arg: &str) -> Option<String> {
    let output = Command::new(program).arg(arg).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
