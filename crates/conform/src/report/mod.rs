//! Findings as text: for people, as TAP, as the XML of `JUnit`.

mod junit;
mod people;
mod tap;

use crate::lab::Lab;
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
    #[non_exhaustive]
    Start {
        /// The command's first word.
        program: String,
        /// The system's error.
        reason: io::Error,
    },
    /// The worker does not answer the known input with `Ok`.
    #[error("the worker answers the input of --any with {status}: give one that it answers with Ok")]
    #[non_exhaustive]
    Input {
        /// The status that came.
        status: String,
    },
    /// No check has such a name.
    #[error("no check's name contains `{only}`: `procpool conform --list` prints all names")]
    #[non_exhaustive]
    NoCheck {
        /// The part of a name.
        only: String,
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
/// When the system does not start the command, the worker does not answer the known input with `Ok`, no check is
/// selected, or the report cannot be written.
pub fn run_and_report(
    subject: &Subject,
    only: Option<&str>,
    format: Format,
    out: &mut dyn Write,
) -> Result<bool, RunError> {
    if selected(only).next().is_none() {
        return Err(RunError::NoCheck { only: only.unwrap_or_default().to_owned() });
    }
    try_start(subject)?;
    if let Some(status) = Lab::open(subject).refusal() {
        return Err(RunError::Input { status: format!("{status:?}") });
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Returns a finding of each kind, with texts that mean something in every form.
    fn findings() -> Vec<Finding> {
        let why = || "<a> & \"b\" # \u{1b}[2J".to_owned();
        let verdicts = [Verdict::Ok, Verdict::NotOk(why()), Verdict::Advice(why()), Verdict::Skip(why())];
        let found = selected(None).zip(verdicts);
        found
            .map(|((group, check), verdict)| Finding {
                check,
                group,
                verdict,
                took: Duration::from_millis(7),
            })
            .collect()
    }

    fn written(write: impl FnOnce(&[Finding], &mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&findings(), &mut out).expect("memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn tap_escapes_a_reason_and_marks_advice() {
        let text = written(|findings, out| {
            tap::begin(findings.len(), out)?;
            (1..).zip(findings).try_for_each(|(number, finding)| tap::point(number, finding, out))
        });
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with(' ')).collect();
        assert_eq!(lines[..3], ["TAP version 14", "1..4", "ok 1 - start: by-hand"]);
        assert!(lines[3].starts_with("not ok 2 - ") && !lines[3].contains('#'), "{text}");
        assert!(lines[4].starts_with("not ok 3 - ") && lines[4].contains(" # TODO "), "{text}");
        assert_eq!(lines[5], "ok 4 - start: hello # SKIP <a> & \"b\" \\# \\\\u{1b}[2J");
        assert_eq!(text.matches("  ---\n").count(), 2);
        assert!(text.contains(r#"  message: "<a> & \"b\" # \\u{1b}[2J""#), "{text}");
    }

    #[test]
    fn junit_escapes_a_reason_and_counts() {
        let subject = Subject::new(["./a<b"]);
        let text = written(|findings, out| junit::write(&subject, findings, out));
        assert!(
            text.contains(
                r#"name="procpool conform ./a&lt;b" tests="4" failures="1" errors="0" skipped="2""#
            )
        );
        assert!(text.contains(r"&lt;a&gt; &amp; &quot;b&quot; # \u{1b}[2J"), "{text}");
        assert_eq!(text.matches("<testcase ").count(), 4);
        assert!(text.ends_with("</testsuite>\n"));
    }

    #[test]
    fn people_read_a_sentence_a_reason_and_a_section() {
        let text = written(|findings, out| {
            findings.iter().try_for_each(|finding| people::line(finding, out))?;
            people::summary(findings, out)
        });
        assert!(
            text.starts_with("ok     start: by-hand (7 ms)\nNOT OK start: by-hand-with-a-socket (7 ms)\n")
        );
        assert!(text.contains("\n       WIRE.md #starting-a-worker\nadvice start: describe-option (7 ms)\n"));
        assert!(text.ends_with("1 ok, 1 not ok, 1 advice, 1 skipped\n"), "{text}");
    }
}
