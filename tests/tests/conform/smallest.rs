//! The smallest worker of `WIRE.md`, as it stands there or with a fault.

use std::path::PathBuf;
use std::process::Command;

const WIRE: &str = include_str!("../../../crates/protocol/WIRE.md");

/// Returns the program as it stands in the document.
pub(crate) fn program() -> &'static str {
    let (_, rest) = WIRE.split_once("```python smallest-worker\n").expect("the document has the program");
    rest.split_once("\n```").expect("the program ends").0
}

/// Returns the program with another text in the place of one that it has once.
///
/// # Panics
/// When it has the text never or more often.
pub(crate) fn with_fault(from: &str, to: &str) -> String {
    assert_eq!(program().matches(from).count(), 1, "the program should have `{from}` once");
    program().replace(from, to)
}

/// Returns the interpreter.
///
/// # Panics
/// Without an interpreter: this test is never left out in silence.
pub(crate) fn python() -> PathBuf {
    let found = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let found = found.ok().filter(|it| it.status.success());
    let found = found.expect("this test needs `python3`: install it (Debian: apt-get install python3)");
    String::from_utf8(found.stdout).expect("a path in UTF-8").trim().into()
}
