//! The output of a run at its end: the books, every assertion, the times of starts, and how to run it again.

use super::super::assertions::Verdict;
use super::assertions::verdicts;
use super::evidence::Evidence;
use std::fmt;
use std::time::Duration;

/// The end of a run.
#[derive(Debug)]
pub struct Report {
    evidence: Evidence,
    verdicts: Vec<Verdict>,
}

impl Report {
    pub(super) fn new(evidence: Evidence) -> Self {
        let verdicts = verdicts(&evidence);
        Self { evidence, verdicts }
    }

    /// Returns whether everything held.
    pub fn is_good(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.holds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\nassertions")?;
        for Verdict { holds, what, detail } in &self.verdicts {
            writeln!(out, "  {:<6} {what}: {detail}", if *holds { "ok" } else { "FAILED" })?;
        }
        let mut starts = self.evidence.faults.starts.clone();
        starts.sort_unstable();
        let median: Duration = starts.get(starts.len() / 2).copied().unwrap_or_default();
        let longest = starts.last().copied().unwrap_or_default();
        writeln!(out, "\n{} starts, until it ran: p50 {median:.1?}, longest {longest:.1?}", starts.len())?;
        for (reason, count) in &self.evidence.book.refused {
            writeln!(out, "{count} refused: {reason}")?;
        }
        let failed = self.verdicts.iter().filter(|verdict| !verdict.holds).count();
        match failed {
            0 => write!(out, "all {} assertions hold", self.verdicts.len()),
            _ => write!(out, "{failed} of {} assertions FAILED", self.verdicts.len()),
        }?;
        let options = &self.evidence.options;
        writeln!(out, " (seed {})", options.seed)?;
        write!(
            out,
            "again: cargo xtask chaos --cluster {} --servers {} --seconds {} --kills-per-minute {} --seed {}",
            options.cluster,
            options.servers,
            options.duration.as_secs(),
            options.kills_per_minute,
            options.seed
        )
    }
}
