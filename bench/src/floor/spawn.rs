//! A process that is spawned, ends at once and is waited for.

use crate::contestant::Result;
use crate::places;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Spawns the worker executable of the row this number of times, so that it ends at once.
///
/// # Errors
/// When it cannot be spawned.
pub fn spawn_and_wait(program: &str, args: &[&str], count: usize) -> Result<Vec<Duration>> {
    let program = places::file(program)?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        let mut command = Command::new(&program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn()?.wait()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}
