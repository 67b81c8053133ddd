//! Findings as text: for people, as TAP, as the XML of `JUnit`.

mod junit;
mod people;
mod tap;

use crate::os::process::Process;
use crate::{Check, Finding, Subject, Verdict, run, selected};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A line for each check, for people.
    #[default]
    People,
    /// The Test Anything Protocol, version 14.
    Tap,
    /// The XML of `JUnit`.
    Junit,
}

/// There is no report, or only a part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The system does not start the command.
    #[error("failed to start {program}: {reason}")]
    Start {
        /// The command's first word.
        program: String,
        /// The system's error.
        reason: io::Error,
    },
    /// The report cannot be written.
    #[error("failed to write the report: {0}")]
    Write(io::Error),
}

impl From<io::Error> for RunError {
    fn from(reason: io::Error) -> Self {
        Self::Write(reason)
    }
}

/// Runs the checks whose name contains `only`, and reports each as soon as it has ended; that of `JUnit` comes at
/// the end. Returns whether the worker passed.
///
/// # Errors
/// When the system does not start the command, or the report cannot be written.
pub fn run_and_report(
    subject: &Subject,
    only: Option<&str>,
    format: Format,
    out: &mut dyn Write,
) -> Result<bool, RunError> {
    try_start(subject)?;
    let mut findings = Vec::new();
    if format == Format::Tap {
        tap::begin(selected(only).count(), out)?;
    }
    for finding in run(subject, only) {
        findings.push(finding);
        let Some(finding) = findings.last() else { continue };
        match format {
            Format::People => people::line(finding, out)?,
            Format::Tap => tap::point(findings.len(), finding, out)?,
            Format::Junit => {}
        }
        out.flush()?;
    }
    match format {
        Format::People => people::summary(&findings, out)?,
        Format::Junit => junit::write(subject, &findings, out)?,
        Format::Tap => {}
    }
    Ok(!findings.iter().any(|finding| matches!(finding.verdict, Verdict::NotOk(_))))
}

/// Starts the command as a person would, and kills it: all checks of a command that is not there would fail alike.
fn try_start(subject: &Subject) -> Result<(), RunError> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let started = Process::start(&subject.command, &[null.as_fd(); 3]);
    started.map(drop).map_err(|reason| {
        let program = subject.command[0].display().to_string();
        RunError::Start { program, reason }
    })
}

/// Writes each check with the sections of `WIRE.md` that it is from.
///
/// # Errors
/// When the list cannot be written.
pub fn list(only: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let mut group = "";
    for (name, check) in selected(only) {
        if name != group {
            writeln!(out, "{name}:")?;
            group = name;
        }
        let Check { name, says, sections, level, needs, .. } = check;
        let sections = sections.join(", #");
        writeln!(out, "  {name}  ({}, {needs}, WIRE.md #{sections})", people::word(*level))?;
        writeln!(out, "      {says}")?;
    }
    Ok(())
}

/// Returns the number of findings that `is` chooses.
fn count(findings: &[Finding], is: impl Fn(&Verdict) -> bool) -> usize {
    findings.iter().filter(|finding| is(&finding.verdict)).count()
}
