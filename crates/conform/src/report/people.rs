//! A report for people: a line for each check, details of the others than ok, and a summary.

use super::count;
use crate::{Finding, Level, Verdict};
use procpool_protocol::printable::printable;
use std::io::{self, Write};

/// Returns the word of a level.
pub(super) fn word(level: Level) -> &'static str {
    match level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
    }
}

pub(super) fn line(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let Finding { check, group, verdict, took } = finding;
    let (answer, why) = match verdict {
        Verdict::Ok => ("ok", None),
        Verdict::NotOk(why) => ("NOT OK", Some(why)),
        Verdict::Advice(why) => ("advice", Some(why)),
        Verdict::Skip(why) => ("skip", Some(why)),
    };
    write!(out, "{answer:6} {group}: {} ({} ms)", check.name, took.as_millis())?;
    match (verdict, why) {
        (Verdict::Skip(_), Some(why)) => writeln!(out, ": {}", printable(why)),
        (_, Some(why)) => {
            writeln!(out, "\n       {}: {}", word(check.level), check.says)?;
            writeln!(out, "       {}", printable(why))?;
            writeln!(out, "       WIRE.md #{}", check.sections.join(", #"))
        }
        (_, None) => writeln!(out),
    }
}

pub(super) fn summary(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let ok = count(findings, |it| *it == Verdict::Ok);
    let failed = count(findings, |it| matches!(it, Verdict::NotOk(_)));
    let advice = count(findings, |it| matches!(it, Verdict::Advice(_)));
    let skipped = count(findings, |it| matches!(it, Verdict::Skip(_)));
    writeln!(out, "{ok} ok, {failed} not ok, {advice} advice, {skipped} skipped")
}
