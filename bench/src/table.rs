//! Outcomes as a table for a terminal.

use crate::contest::{Outcome, Verdict};
use std::fmt::Write;

/// Returns one row: who took part, with figures, and the goals with what was reached.
pub fn render(outcome: &Outcome) -> String {
    let mut text = format!("{}: {} ({})\n", outcome.row, outcome.what, outcome.unit);
    let ours = outcome.standings.first().map_or(0.0, |standing| standing.value);
    for standing in &outcome.standings {
        let ratio = if standing.value == 0.0 { 0.0 } else { ours / standing.value };
        let spread = match &standing.latency_us {
            Some(latency) => {
                format!("p50 {:.1}  p99 {:.1} µs of {}", latency.p50, latency.p99, latency.count)
            }
            None => String::new(),
        };
        let figure = figure(standing.value);
        let _ = writeln!(text, "  {:<34} {figure:>12}  ours/it {ratio:>7.2}  {spread}", standing.contestant);
    }
    for (who, why) in &outcome.missing {
        let _ = writeln!(text, "  {who:<34}      missing  {}", why.lines().next().unwrap_or_default());
    }
    for verdict in &outcome.verdicts {
        let _ = writeln!(text, "  {}", line(verdict));
    }
    text
}

fn line(verdict: &Verdict) -> String {
    let word = match verdict.is_met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "not compared",
    };
    let reached = verdict.reached.map_or_else(|| "-".into(), figure);
    format!("goal {:<40} reached {reached:>10}  {word}", verdict.goal)
}

/// Three digits that matter.
pub fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
