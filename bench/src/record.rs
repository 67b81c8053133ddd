//! Results as files: `<row>.json` with everything, and plots beside it.

use crate::contest::Outcome;
use crate::contestant::Result;
use crate::machine::Machine;
use crate::plot::{self, Scale};
use crate::rows::Curve;
use serde::Serialize;
use std::fs;
use std::path::Path;

#[derive(Serialize)]
struct Record<'a, T> {
    machine: &'a Machine,
    /// Too little work to judge by.
    quick: bool,
    #[serde(flatten)]
    result: &'a T,
}

/// Writes the row down, and its distribution of latencies where there is one.
///
/// # Errors
/// When a file cannot be written.
pub fn outcome(dir: &Path, machine: &Machine, quick: bool, outcome: &Outcome) -> Result<()> {
    write(dir, outcome.row, &Record { machine, quick, result: outcome })?;
    let timed = outcome.standings.iter().filter(|standing| !standing.latencies.is_empty());
    let lines: Vec<_> = timed
        .map(|standing| {
            let share = |at: usize| at as f64 / 200.0;
            let points = (1..=199).map(|at| (standing.latencies.quantile(share(at)), 100.0 * share(at)));
            (standing.contestant.clone(), points.collect())
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let title = format!("{}: share of operations that took at most so long", outcome.what);
    let svg = plot::lines(&title, ("µs", Scale::Log), ("%", Scale::Linear), &lines);
    Ok(fs::write(dir.join(format!("{}.svg", outcome.row)), svg)?)
}

/// Writes a curve down, and draws it.
///
/// # Errors
/// When a file cannot be written.
pub fn curve(dir: &Path, machine: &Machine, quick: bool, curve: &Curve) -> Result<()> {
    write(dir, curve.name, &Record { machine, quick, result: curve })?;
    let svg = plot::lines(curve.what, (curve.x, Scale::Log), (curve.y, Scale::Log), &curve.lines);
    Ok(fs::write(dir.join(format!("{}.svg", curve.name)), svg)?)
}

fn write(dir: &Path, name: &str, record: &impl Serialize) -> Result<()> {
    fs::create_dir_all(dir)?;
    let text = serde_json::to_string_pretty(record)? + "\n";
    Ok(fs::write(dir.join(format!("{name}.json")), text)?)
}
