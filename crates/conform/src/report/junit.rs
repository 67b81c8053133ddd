//! A report in the XML of `JUnit`. Advice counts as skipped, with its text.

use super::count;
use crate::{Finding, Subject, Verdict};
use procpool_protocol::printable::printable;
use std::io::{self, Write};
use std::time::Duration;

pub(super) fn write(subject: &Subject, findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let name = subject.command[0].to_string_lossy();
    let failures = count(findings, |it| matches!(it, Verdict::NotOk(_)));
    let skipped = count(findings, |it| matches!(it, Verdict::Advice(_) | Verdict::Skip(_)));
    let time: Duration = findings.iter().map(|finding| finding.took).sum();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuite name=\"procpool conform {}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" \
         time=\"{:.3}\">",
        escaped(&name),
        findings.len(),
        time.as_secs_f64()
    )?;
    for finding in findings {
        case(finding, out)?;
    }
    writeln!(out, "</testsuite>")
}

fn case(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let Finding { check, group, verdict, took } = finding;
    let (name, time) = (check.name, took.as_secs_f64());
    write!(out, "  <testcase classname=\"{group}\" name=\"{name}\" time=\"{time:.3}\"")?;
    match verdict {
        Verdict::Ok => writeln!(out, "/>"),
        Verdict::NotOk(why) => {
            let (why, says) = (escaped(why), escaped(check.says));
            writeln!(out, ">\n    <failure message=\"{why}\">{says}</failure>\n  </testcase>")
        }
        Verdict::Advice(why) => {
            writeln!(out, ">\n    <skipped message=\"advice: {}\"/>\n  </testcase>", escaped(why))
        }
        Verdict::Skip(why) => {
            writeln!(out, ">\n    <skipped message=\"{}\"/>\n  </testcase>", escaped(why))
        }
    }
}

fn escaped(text: &str) -> String {
    let text = printable(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
