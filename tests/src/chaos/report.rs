//! The output of a run at its end: the ledger, every assertion, the figures.

use super::assertions::{Verdict, verdicts};
use super::distribution::Spread;
use super::evidence::Evidence;
use super::scenario::PLANS;
use std::fmt;
use std::time::Duration;

/// A death is made good within this, 99 of 100 times.
const MADE_GOOD: Duration = Duration::from_millis(20);

/// 99 of 100 surviving jobs take no longer than that many of them without kills, and this.
const NOTICED: Duration = Duration::from_millis(25);

/// The end of a run.
#[derive(Debug)]
pub struct Report {
    evidence: Evidence,
    verdicts: Vec<Verdict>,
}

impl Report {
    pub(crate) fn new(evidence: Evidence) -> Self {
        let verdicts = verdicts(&evidence);
        Self { evidence, verdicts }
    }

    /// Returns whether everything held, and the figures were met if the run asserts them.
    pub fn is_good(&self) -> bool {
        let figures = !self.evidence.options.figures || Figures::of(&self.evidence).are_met();
        figures && self.verdicts.iter().all(|verdict| verdict.holds)
    }
}

/// The measurements, which are asserted only if that was asked for.
struct Figures {
    made_good: Spread,
    /// The latency of jobs that survived, without kills and with.
    calm: Spread,
    stormy: Spread,
}

impl Figures {
    fn of(evidence: &Evidence) -> Self {
        let Evidence { made_good, books, .. } = evidence;
        Self { made_good: *made_good, calm: books.calm.spread(), stormy: books.stormy.spread() }
    }

    fn are_met(&self) -> bool {
        self.is_made_good() && self.is_unnoticed()
    }

    fn is_made_good(&self) -> bool {
        self.made_good.count > 0 && self.made_good.p99 <= MADE_GOOD
    }

    fn is_unnoticed(&self) -> bool {
        self.stormy.count > 0 && self.stormy.p99 <= self.calm.p99 + NOTICED
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\nledger, by pool")?;
        for (plan, book) in PLANS.iter().zip(&self.evidence.books.ledger.books) {
            write!(out, "  {:<8} {:>8} sent = ", plan.name, book.sent)?;
            for (outcome, count) in &book.answered {
                write!(out, "{count} {} + ", outcome.name())?;
            }
            writeln!(out, "{} hung up", book.hung_up)?;
        }
        writeln!(out, "\nassertions")?;
        for Verdict { holds, what, detail } in &self.verdicts {
            writeln!(out, "  {:<6} {what}: {detail}", if *holds { "ok" } else { "FAILED" })?;
        }
        write!(out, "\n{}", Figures::of(&self.evidence))?;
        let failed = self.verdicts.iter().filter(|verdict| !verdict.holds).count();
        match (failed, self.is_good()) {
            (0, true) => write!(out, "\nall {} assertions hold", self.verdicts.len()),
            (0, false) => write!(out, "\nall assertions hold, but a figure was not met"),
            _ => write!(out, "\n{failed} of {} assertions FAILED", self.verdicts.len()),
        }?;
        write!(out, " (seed {})", self.evidence.options.seed)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = |is_met| if is_met { "met" } else { "not met" };
        writeln!(out, "figures")?;
        writeln!(
            out,
            "  a death is made good: {}; p99 ≤ {MADE_GOOD:?} {}",
            self.made_good,
            met(self.is_made_good())
        )?;
        writeln!(out, "  surviving jobs without kills: {}", self.calm)?;
        writeln!(
            out,
            "  surviving jobs with kills: {}; p99 ≤ the other + {NOTICED:?} {}",
            self.stormy,
            met(self.is_unnoticed())
        )
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "p50 {:.1?}, p99 {:.1?} of {}", self.p50, self.p99, self.count)
    }
}
