//! A report in the Test Anything Protocol, version 14. Advice is a failure marked TODO, which harnesses accept.

use crate::{Finding, Verdict};
use procpool_protocol::printable::printable;
use std::io::{self, Write};

pub(super) fn begin(count: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "TAP version 14\n1..{count}")
}

pub(super) fn point(number: usize, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let Finding { check, group, verdict, took } = finding;
    let name = format!("{number} - {group}: {}", check.name);
    let why = match verdict {
        Verdict::Ok => {
            writeln!(out, "ok {name}")?;
            None
        }
        Verdict::NotOk(why) => {
            writeln!(out, "not ok {name}")?;
            Some(why)
        }
        Verdict::Advice(why) => {
            writeln!(out, "not ok {name} # TODO a worker should pass, and need not")?;
            Some(why)
        }
        Verdict::Skip(why) => {
            writeln!(out, "ok {name} # SKIP {}", escaped(why))?;
            None
        }
    };
    let Some(why) = why else { return Ok(()) };
    // A text in double quotes is the same in JSON and YAML.
    let text = |text: &str| serde_json::Value::from(text).to_string();
    writeln!(out, "  ---\n  message: {}\n  expected: {}", text(&printable(why)), text(check.says))?;
    writeln!(out, "  sections: {}", text(&check.sections.join(" ")))?;
    writeln!(out, "  duration_ms: {}\n  ...", took.as_millis())
}

/// Returns a text for the line of a test point, in which `#` and `\` mean something.
fn escaped(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('#', "\\#")
}
